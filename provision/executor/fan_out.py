"""One command on many hosts at once, its lines as they come."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from provision.commands.command import Command
from provision.connectors.protocols import Shell
from provision.errors import CommandFailed, HostError
from provision.facts.inventory import Host

_MOST_HOSTS_AT_ONCE = 128


def stream_all(
    hosts: Iterable[Host], command: Command, shell: Shell, on_line: Callable[[str, str], None]
) -> tuple[HostError, ...]:
    """Run *command* on all *hosts*, handing each line out with its host's name, one at a time.

    The errors of hosts on which it failed; the others run to their end.
    """
    hosts = tuple(hosts)
    speaking = threading.Lock()

    def one(host: Host) -> HostError | None:
        def hand_out(line: str) -> None:
            with speaking:
                on_line(host.name, line)

        try:
            result = shell.stream(host, command, hand_out)
        except HostError as error:
            return error
        if result:
            return None
        return CommandFailed(
            host.name,
            command.argv[0] if isinstance(command.argv[0], str) else "***",
            exit_code=result.exit_code,
            stderr_tail=result.tail(),
            hint="`fab doctor` looks for the cause",
        )

    if not hosts:
        return ()
    with ThreadPoolExecutor(min(len(hosts), _MOST_HOSTS_AT_ONCE)) as pool:
        futures = [pool.submit(one, host) for host in hosts]
        try:
            answers = [future.result() for future in futures]
        except KeyboardInterrupt:
            shell.close()  # ends the streams, so that the threads can end
            raise
    return tuple(answer for answer in answers if answer is not None)
