"""One command on a host, as a value with a masked and a real spelling, and its result."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from provision.commands.fence import fenced
from provision.secret import Secret

Word = str | Secret


@dataclass(frozen=True, slots=True)
class Command:
    """Words to run on a host.

    Attributes:
        argv: the words; a :class:`Secret` among them is masked in :meth:`display`. Prefer
            ``stdin`` for secrets: words show in the host's process list.
        stdin: text handed to the command.
        sudo: run as root (a connection as root skips the ``sudo``).
        timeout_s: seconds until the connection gives up on it.
        epoch: of the run that it belongs to: a host that knows a newer one refuses it.
    """

    argv: tuple[Word, ...]
    stdin: Word | None = None
    sudo: bool = True
    timeout_s: float = 60.0
    epoch: int | None = None

    def display(self) -> str:
        """The command as people and logs may see it."""
        return shlex.join(str(word) for word in self.argv)

    def shell(self) -> str:
        """The command as the host's shell gets it."""
        words = tuple(_reveal(word) for word in self.argv)
        return shlex.join(words if self.epoch is None else fenced(self.epoch, words))

    def stdin_text(self) -> str | None:
        """The text for standard input, secrets revealed."""
        return None if self.stdin is None else _reveal(self.stdin)


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended. Truthy when it succeeded."""

    exit_code: int
    stdout: str = ""
    stderr: str = ""
    seconds: float = 0.0

    def __bool__(self) -> bool:
        return self.exit_code == 0

    def tail(self, lines: int = 20) -> str:
        """The last lines of standard error, or of standard output when there is none."""
        text = self.stderr.strip() or self.stdout.strip()
        return "\n".join(text.splitlines()[-lines:])


def script(text: str, *arguments: Word, timeout_s: float = 60.0, sudo: bool = True) -> Command:
    """A POSIX shell script as one command; *arguments* become ``$1``, ``$2``, ..."""
    return Command(("sh", "-euc", text, "llm-fleet", *arguments), timeout_s=timeout_s, sudo=sudo)


def _reveal(word: Word) -> str:
    return word.reveal() if isinstance(word, Secret) else word
