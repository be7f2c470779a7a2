"""Commands and files on hosts, over Fabric's SSH connections, one for each host."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

import paramiko

from provision.commands.command import Command, Result
from provision.commands.hints import hint, sudo_refused
from provision.commands.upload import pack, unpack
from provision.config.environment import AccessSettings
from provision.connectors.ssh_channel import Lost, OutOfTime, ShellChannel
from provision.connectors.ssh_link import Link, Route, connect
from provision.errors import CommandFailed, HostUnreachable
from provision.facts.inventory import Host


class FabricShell:
    """A Shell that any number of threads may use; connections are opened when first needed.

    Hosts are reached as *access* says, in *region*, with the AWS *profile*. A connection whose
    other side is silent for *dead_after_s* counts as lost; the next command opens a new one.
    """

    def __init__(
        self,
        access: AccessSettings,
        region: str,
        *,
        profile: str | None = None,
        dead_after_s: float = 60.0,
    ) -> None:
        self._route = Route(access, region, profile, dead_after_s)
        self._links: dict[str, Link] = {}
        self._doors: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def run(self, host: Host, command: Command, *, check: bool = True) -> Result:
        """Run *command*. With *check*, a failure raises CommandFailed.

        Also without *check* raises CommandFailed when sudo says no or the time is up, and
        HostUnreachable or HostKeyMismatch when there is no connection.
        """
        text = command.stdin_text()
        result = self._execute(host, command, (text or "").encode(), None)
        if check and not result:
            raise _failed(host, command, result)
        return result

    def stream(self, host: Host, command: Command, on_line: Callable[[str], None]) -> Result:
        """Run *command* and hand out each line of its standard output as it comes.

        The result keeps the last thousand lines. Raises as :meth:`run` without *check* does.
        """
        return self._execute(host, command, (command.stdin_text() or "").encode(), on_line)

    def upload(self, host: Host, files: Mapping[str, bytes], folder: str) -> None:
        """Make *folder* hold exactly *files*, in one transfer, whole or not at all."""
        command = unpack(folder)
        result = self._execute(host, command, pack(files), None)
        if not result:
            raise CommandFailed(
                host.name,
                f"upload of {len(files)} file(s) to {folder}",
                exit_code=result.exit_code,
                stderr_tail=result.tail(),
                hint=hint(result.stderr),
            )

    def close(self) -> None:
        """End all connections. The shell can be used again afterwards."""
        with self._guard:
            links, self._links = list(self._links.values()), {}
        for link in links:
            link.close()

    def _execute(
        self, host: Host, command: Command, stdin: bytes, on_line: Callable[[str], None] | None
    ) -> Result:
        link, shell = self._shell(host)
        try:
            result = shell.run(
                self._spell(command), stdin=stdin, timeout_s=command.timeout_s, on_line=on_line
            )
        except OutOfTime as error:
            raise _too_slow(host, command, error.result) from error
        except (Lost, EOFError, OSError, paramiko.SSHException) as error:
            self._forget(host, link)
            raise HostUnreachable(
                host.name,
                f"the connection was lost during: {command.display()}",
                hint="it may still run on the host: look before you repeat it (`fab status`)",
            ) from error
        finally:
            link.give_back(shell)
        if sudo_refused(result.stderr) and not result:
            raise _no_sudo(host, command, result, self._route.access.user)
        return result

    def _spell(self, command: Command) -> str:
        root = self._route.access.user == "root" or not command.sudo
        return command.shell() if root else f"sudo -n -- {command.shell()}"

    def _shell(self, host: Host) -> tuple[Link, ShellChannel]:
        timeout_s = self._route.access.connect_timeout_s
        link = self._link(host)
        try:
            return link, link.take_shell(timeout_s)
        except (EOFError, OSError, paramiko.SSHException):
            self._forget(host, link)  # it ended while idle; nothing has begun, so again is safe
        link = self._link(host)
        try:
            return link, link.take_shell(timeout_s)
        except (EOFError, OSError, paramiko.SSHException) as error:
            self._forget(host, link)
            raise HostUnreachable(
                host.name,
                f"the connection opens but takes no command: {error}",
                hint="look at the SSH server on the host (MaxSessions, memory)",
            ) from error

    def _link(self, host: Host) -> Link:
        with self._guard:
            door = self._doors.setdefault(host.name, threading.Lock())
        with door:  # threads that want the same host wait for one connection
            link = self._links.get(host.name)
            if link is not None and link.alive:
                return link
            if link is not None:
                self._forget(host, link)
            link = connect(host, self._route)
            with self._guard:
                self._links[host.name] = link
            return link

    def _forget(self, host: Host, link: Link) -> None:
        with self._guard:
            if self._links.get(host.name) is link:
                del self._links[host.name]
        link.close()


def _failed(host: Host, command: Command, result: Result) -> CommandFailed:
    return CommandFailed(
        host.name,
        command.display(),
        exit_code=result.exit_code,
        stderr_tail=result.tail(),
        hint=hint(result.stderr),
    )


def _too_slow(host: Host, command: Command, result: Result) -> CommandFailed:
    return CommandFailed(
        host.name,
        command.display(),
        exit_code=result.exit_code,
        stderr_tail=f"{result.tail()}\nno end within {command.timeout_s:.0f} s".strip(),
        hint="it may still run on the host: look there before you repeat it",
    )


def _no_sudo(host: Host, command: Command, result: Result, user: str) -> CommandFailed:
    return CommandFailed(
        host.name,
        f"sudo {command.display()}",
        exit_code=result.exit_code,
        stderr_tail=result.tail(),
        hint=f"let {user} use sudo without a password (ubuntu and ec2-user may on AWS's images),"
        " or set access.user to one who may",
    )
