"""The actions of a Plan that bring the gateway up: its image, its tasks, its proof."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BuildGateway:
    """Build the image *target* of *files* on the host, and push it.

    The files come along, so that any host can do it.
    """

    release_id: str  # whose host program does it
    target: str
    source: str
    dockerfile: str
    files: dict[str, bytes]

    @property
    def tag(self) -> str:
        """The target's tag."""
        return self.target.rpartition(":")[2]


@dataclass(frozen=True, slots=True)
class MoveGateway:
    """Let *tasks* run by the revision *definition*; until now they shall run by *before*."""

    definition: str
    tasks: int
    before: str


@dataclass(frozen=True, slots=True)
class WaitGateway:
    """Wait until all *tasks* run by *definition*, and the load balancer calls them healthy."""

    definition: str
    tasks: int
    timeout_s: float


@dataclass(frozen=True, slots=True)
class AskGateway:
    """Ask for one token through the rule that leads to the gateway; a hosted API must give it."""

    model: str
    chat: bool
    timeout_s: float
