"""What came of a Plan: per host what was done, what failed, and which waves never began."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from provision.errors import EXIT_DONE, EXIT_FAILED, FleetError

ENVIRONMENT = ""  # the "host" of steps that belong to no host


class Kind(StrEnum):
    """What an event tells."""

    WAVE = "wave"
    BEGAN = "began"
    PROGRESS = "progress"
    DONE = "done"
    FAILED = "failed"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a person who waits wants to see. ``host`` is "" for the environment."""

    kind: Kind
    text: str
    host: str = ENVIRONMENT
    seconds: float | None = None


Listener = Callable[[Event], None]
"""Called from many threads, one event at a time."""


@dataclass(frozen=True, slots=True)
class StepDone:
    """One finished step and the seconds that it took."""

    wave: str
    summary: str
    seconds: float
    detail: str = ""


@dataclass(frozen=True, slots=True)
class HostOutcome:
    """How it went on one host (``name`` "": on the environment).

    Attributes:
        done: finished steps in order.
        failed: summary of the step that failed, None when none did.
        error: why; set whenever *failed* is, and for a host that was left out.
        cut: the step ended because the operator asked, not by its own fault.
        not_done: steps that this host did not get any more.
        waterfall: seconds per phase of the start, in order; empty when nothing was started.
    """

    name: str
    done: tuple[StepDone, ...] = ()
    failed: str | None = None
    error: FleetError | None = None
    cut: bool = False
    not_done: tuple[str, ...] = ()
    waterfall: Mapping[str, float] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Everything that was planned for this host was done."""
        return self.error is None and not self.not_done


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a Plan went.

    Attributes:
        hosts: the environment ("") and every host that was in the Plan, by name.
        never_began: titles of waves of which no step ran.
        interrupted: the operator pressed Ctrl-C.
        waves: seconds per wave, in order.
        answer: what the service said through the load balancer, "" when it was not asked.
        streamed_chunks: events of the streamed answer.
    """

    title: str
    hosts: tuple[HostOutcome, ...] = ()
    never_began: tuple[str, ...] = ()
    interrupted: bool = False
    waves: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    answer: str = ""
    streamed_chunks: int = 0

    @property
    def ok(self) -> bool:
        """The whole Plan was carried out."""
        return not (self.interrupted or self.never_began) and all(host.ok for host in self.hosts)

    @property
    def exit_code(self) -> int:
        """0 or 1, for the process."""
        return EXIT_DONE if self.ok else EXIT_FAILED
