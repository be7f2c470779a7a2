"""How fast a rollout goes, and how many hosts must serve meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

from provision.errors import UsageError


@dataclass(frozen=True, slots=True)
class Pace:
    """How many hosts may be away at a time, how many must serve, how long a new one is watched."""

    max_unavailable: int = 1
    min_healthy: int = 1
    bake_s: float = 30.0


CAREFUL = Pace()


def at_a_time(said: str, hosts: int) -> int:
    """``2`` or ``25%`` of *hosts* (rounded down, at least one). Raises UsageError."""
    number, percent = said.removesuffix("%"), said.endswith("%")
    if not number.isdecimal() or int(number) == 0 or (percent and int(number) > 100):
        raise UsageError(
            f"--max-unavailable {said!r} is no number of hosts", hint="say 1, 2 or 25%"
        )
    return max(1, hosts * int(number) // 100) if percent else int(number)
