"""How fast the last release that proved itself on this host was, and what a new start may take.

A release proves itself when its bake on this host ended well; the first one ever is taken as it
comes. Only the same model on the same layout of engines can be compared.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Optional

from provision.agent.errors import AgentError
from provision.agent.settings import WarmUp
from provision.agent.system import read_json, write_json

NOISE_S = 0.25  # a first token that is late by less is no slower engine


@dataclass(frozen=True)
class Proof:
    """The first token of the slowest engine after its warm-up, of a release that held."""

    release: str
    layout: str
    first_token_s: float
    at: float


@dataclass(frozen=True)
class Limit:
    """How long the first token may take, and ``because`` of what."""

    seconds: float
    because: str = ""

    def excess(self, took_s: float) -> str:
        """Why *took_s* is too long, with both numbers; empty when it is not."""
        if took_s <= self.seconds:
            return ""
        why = f" ({self.because})" if self.because else ""
        return f"the first token took {took_s:.2f} s, allowed are {self.seconds:.2f} s{why}"


class LastGood:
    """What is remembered, in a file that outlives reboots."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def proof(self, layout: str) -> Optional[Proof]:
        """The last good release of this *layout*; None when there is none, or none readable.

        "" is the layout of a release that does not say it: there is none to compare with.
        """
        try:
            proof = Proof(**read_json(self._path))
        except (AgentError, TypeError, OSError):
            return None
        return proof if layout and proof.layout == layout else None

    def remember(self, proof: Proof) -> None:
        """From now on new starts are measured by *proof*."""
        write_json(self._path, asdict(proof))


def limit(warmup: WarmUp, proof: Optional[Proof]) -> Limit:
    """What the first token of a new start may take."""
    if proof is None or warmup.slowdown is None:
        return Limit(warmup.max_ttft_s)
    seconds = slower(proof.first_token_s, warmup.slowdown)
    if seconds >= warmup.max_ttft_s:
        return Limit(warmup.max_ttft_s)
    because = (
        f"{proof.release}, the last good release here, took {proof.first_token_s:.2f} s;"
        f" {warmup.slowdown:g} times that is the limit"
    )
    return Limit(seconds, because)


def slower(before_s: float, slowdown: float) -> float:
    """From what time on something that took *before_s* has become slower, noise left aside."""
    return max(before_s * slowdown, before_s + NOISE_S)
