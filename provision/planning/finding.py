"""What a check found: fine, broken, or nobody can say."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How a check came out."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check. ``cause`` says in words what was seen; ``command`` is what to run next, "" when
    there is nothing to do."""

    check: str
    state: State
    cause: str
    command: str = ""


def ok(check: str, cause: str) -> Finding:
    """Fine, with what was seen."""
    return Finding(check, State.OK, cause)


def failed(check: str, cause: str, command: str) -> Finding:
    """Broken: why, and the command that mends it or says more."""
    return Finding(check, State.FAILED, cause, command)


def unknown(check: str, cause: str, command: str = "") -> Finding:
    """No answer: why, and the command that would give one."""
    return Finding(check, State.UNKNOWN, cause, command)
