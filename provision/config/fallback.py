"""The way out, as an environment describes it: hosted APIs behind a gateway, caps, the switch.

A section of :class:`provision.config.environment.Environment`, as its neighbours are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class WhenSpendUnknown(StrEnum):
    """What the gateway does while nobody can say what was spent."""

    OPEN = "open"  # go on, within a small allowance of each task
    CLOSED = "closed"  # ask no hosted API


@dataclass(frozen=True, slots=True)
class SwitchSettings:
    """When the switch takes traffic off the fleet and gives it back: its policy's own names.

    What is not here keeps the default of ``provision.switch.policy``; the daily cap and what
    happens when the spend is unknown follow from the section around it.
    """

    partial_share: int = 70
    ramp: tuple[int, ...] = (5, 25, 50)
    ramp_step_s: float = 60.0
    hold_s: float = 300.0
    hold_cap_s: float = 3600.0
    retrip_window_s: float = 3600.0
    trips_a_day: int = 4
    probes: int = 10
    probes_span_s: float = 60.0
    slo_ttft_s: float = 3.0
    token_deadline_s: float = 5.0
    hosted_deadline_s: float = 10.0
    proof_every_s: float = 300.0
    watch_when_well: bool = True


@dataclass(frozen=True, slots=True)
class FallbackSettings:
    """Who answers while the fleet can't. Without ``providers`` there is no fallback at all."""

    providers: tuple[str, ...] = ()
    input_usd_per_million: dict[str, float] = field(default_factory=dict)
    output_usd_per_million: dict[str, float] = field(default_factory=dict)
    daily_usd: float | None = None
    monthly_usd: float | None = None
    when_spend_unknown: WhenSpendUnknown = WhenSpendUnknown.CLOSED
    unknown_allowance_usd: float = 1.0
    spill: bool = True
    timeout_s: int = 60
    first_byte_s: int = 10
    allowed_fails: int = 1
    cooldown_s: int = 120
    stale_answers: bool = False
    stale_max_age_h: int = 24
    tasks: int = 2
    task_cpu: int = 1024
    task_memory_mib: int = 2048
    image: str = "python:3.12.12-slim-bookworm"
    redis_url: str | None = None
    switch: SwitchSettings = field(default_factory=SwitchSettings)

    @property
    def exists(self) -> bool:
        """Whether there is a fallback."""
        return bool(self.providers)
