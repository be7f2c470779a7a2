"""Hosts hear under which epoch they are told something, and refuse what is older."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from provision.commands.command import Command, Result
from provision.commands.fence import FOLDER, newer
from provision.connectors.protocols import Shell
from provision.errors import CommandFailed, LockLost
from provision.facts.inventory import Host


class FencedShell:
    """Implements Shell through another one; commands that run as root carry ``epoch``.

    Raises LockLost for a command that its host refused. Uploads are not fenced: what they bring is
    named by its content, and nothing runs it by itself.
    """

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self.epoch: int | None = None

    def run(self, host: Host, command: Command, *, check: bool = True) -> Result:
        """Run *command* unless the host knows a newer epoch."""
        try:
            result = self._shell.run(host, self._fence(command), check=check)
        except CommandFailed as error:
            self._raise_refused(host, error.command_exit_code, error.stderr_tail)
            raise
        self._raise_refused(host, result.exit_code, result.stderr)
        return result

    def stream(self, host: Host, command: Command, on_line: Callable[[str], None]) -> Result:
        """Run *command*, line by line, unless the host knows a newer epoch."""
        result = self._shell.stream(host, self._fence(command), on_line)
        self._raise_refused(host, result.exit_code, result.stderr)
        return result

    def upload(self, host: Host, files: Mapping[str, bytes], folder: str) -> None:
        """As the other one does."""
        self._shell.upload(host, files, folder)

    def close(self) -> None:
        """As the other one does."""
        self._shell.close()

    def _fence(self, command: Command) -> Command:
        return replace(command, epoch=self.epoch) if command.sudo else command

    def _raise_refused(self, host: Host, exit_code: int, stderr: str) -> None:
        known = newer(exit_code, stderr) if self.epoch is not None else None
        if known is not None:
            raise LockLost(
                f"{host.name} works for epoch {known} by now, this run has epoch {self.epoch}",
                hint="`fab history` shows what was done meanwhile; then run the same command again."
                f" If somebody emptied rollouts/ in the bucket: remove {FOLDER}/epoch on the host",
            )
