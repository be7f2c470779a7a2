"""Hosts that answer only what a test prepared."""

from __future__ import annotations

import fnmatch
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from provision.commands.command import Command, Result
from provision.errors import CommandFailed, HostError
from provision.facts.inventory import Host

Reply = Result | Exception | Callable[[Host, Command], Result]


@dataclass(slots=True)
class _Prepared:
    host: str
    pattern: str
    replies: list[Reply] = field(default_factory=list)

    def matches(self, host: Host, command: Command) -> bool:
        return fnmatch.fnmatchcase(host.name, self.host) and fnmatch.fnmatchcase(
            command.display(), self.pattern
        )

    def next(self) -> Reply:
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


class FakeShell:
    """Implements Shell. ``log`` lists what ran as ``host: command``; ``files`` what was uploaded;
    ``closing`` is set once it was closed.

    Shell patterns are matched against the masked command. The newest preparation that matches
    wins; several replies are given in turn, the last one for ever.
    """

    def __init__(self) -> None:
        self._prepared: list[_Prepared] = []
        self._upload_errors: dict[str, HostError] = {}
        self._lock = threading.Lock()
        self.log: list[str] = []
        self.commands: list[tuple[str, Command]] = []
        self.files: dict[tuple[str, str], dict[str, bytes]] = {}
        self.closing = threading.Event()

    def prepare(self, pattern: str, *replies: Reply, host: str = "*") -> None:
        """Answer commands like *pattern* on hosts like *host* with *replies*."""
        self._prepared.insert(0, _Prepared(host, pattern, list(replies) or [Result(0)]))

    def refuse_uploads(self, host: str, error: HostError) -> None:
        """Let every upload to *host* fail."""
        self._upload_errors[host] = error

    def run(self, host: Host, command: Command, *, check: bool = True) -> Result:
        """The prepared reply."""
        result = self._answer(host, command)
        if check and not result:
            raise CommandFailed(
                host.name,
                command.display(),
                exit_code=result.exit_code,
                stderr_tail=result.tail(),
            )
        return result

    def stream(self, host: Host, command: Command, on_line: Callable[[str], None]) -> Result:
        """The prepared reply, its output line by line."""
        result = self._answer(host, command)
        for line in result.stdout.splitlines():
            on_line(line)
        return result

    def upload(self, host: Host, files: Mapping[str, bytes], folder: str) -> None:
        """Remember *files*."""
        with self._lock:
            if host.name in self._upload_errors:
                raise self._upload_errors[host.name]
            self.log.append(f"{host.name}: upload {folder}")
            self.files[(host.name, folder)] = dict(files)

    def close(self) -> None:
        """Remember that it was closed."""
        self.closing.set()

    def ran(self, host: str) -> list[str]:
        """What *host* was asked to do, in order."""
        return [line.partition(": ")[2] for line in self.log if line.startswith(f"{host}: ")]

    def _answer(self, host: Host, command: Command) -> Result:
        with self._lock:
            self.log.append(f"{host.name}: {command.display()}")
            self.commands.append((host.name, command))
            for prepared in self._prepared:
                if prepared.matches(host, command):
                    reply = prepared.next()
                    break
            else:
                raise AssertionError(f"nobody prepared {host.name} for: {command.display()}")
        if isinstance(reply, Exception):
            raise reply
        return reply if isinstance(reply, Result) else reply(host, command)
