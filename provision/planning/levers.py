"""The actions of a Plan that move traffic between our own hosts and the fallback.

None of them writes weights: people and rollouts say what they want, and the switch moves.
"""

from __future__ import annotations

from dataclasses import dataclass

from provision.planning.fallback import Wish


@dataclass(frozen=True, slots=True)
class PutWish:
    """Say what a person wants of the switch; only the switch itself moves traffic."""

    wish: Wish


@dataclass(frozen=True, slots=True)
class WaitShare:
    """Wait until our own hosts get *percent* of the traffic."""

    percent: int
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Linger:
    """Leave everything as it is for *seconds*."""

    seconds: float
