"""How fast a rollout goes, and how many hosts must serve meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

from provision.errors import UsageError


@dataclass(frozen=True, slots=True)
class Pace:
    """How many hosts may be away at a time, how many must serve, how long a new one is watched.

    ``drain_s`` is for how long a host is waited for that still works; None: as long as an answer
    may take.
    """

    max_unavailable: int = 1
    min_healthy: int = 1
    bake_s: float = 30.0
    drain_s: float | None = None


CAREFUL = Pace()


def at_a_time(said: str, hosts: int) -> int:
    """``2`` or ``25%`` of *hosts* (rounded down, at least one). Raises UsageError."""
    number, percent = said.removesuffix("%"), said.endswith("%")
    if not number.isdecimal() or int(number) == 0 or (percent and int(number) > 100):
        raise UsageError(
            f"--max-unavailable {said!r} is no number of hosts", hint="say 1, 2 or 25%"
        )
    return max(1, hosts * int(number) // 100) if percent else int(number)


def deadline(said: str, *, longest_generation_s: float) -> float:
    """``300``: seconds for which a host is emptied at most. Raises UsageError for what is no time,
    or shorter than the longest answer."""
    hint = (
        f"{longest_generation_s:.0f} seconds or more (engine.longest_generation_s);"
        " without the flag it is that and the time in the queue"
    )
    if not said.isdecimal():
        raise UsageError(f"--deadline {said!r} is no time", hint=hint)
    if float(said) < longest_generation_s:
        raise UsageError(f"--deadline {said} would cut answers off", hint=hint)
    return float(said)
