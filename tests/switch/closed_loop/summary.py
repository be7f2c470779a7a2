"""Many results in one table, and whether the goals were kept."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.switch.closed_loop.loop import Design, Result, happens
from tests.switch.closed_loop.scenario import TIMED, Kind, scenario

MEDIAN_S, WORST_S, BACK_S = 30.0, 45.0, 360.0
HEADS = (
    "what happens",
    "runs",
    "moved",
    "median",
    "95 %",
    "worst",
    "trips",
    "back",
    "lost",
)


@dataclass(frozen=True)
class Goals:
    """What the design promises, as measured."""

    median_s: float
    worst_s: float
    back_s: float
    unmoved: int  # dead or hung fleets whose traffic never left
    oscillating: int  # more trips than faults
    astray: int  # traffic sent to a dead fallback
    moved_for_nothing: int  # all traffic left a fleet that served
    unfinished: int  # never all traffic again

    @property
    def kept(self) -> bool:
        """All of them."""
        counts = (
            self.unmoved,
            self.oscillating,
            self.astray,
            self.moved_for_nothing,
            self.unfinished,
        )
        return (
            self.median_s <= MEDIAN_S
            and self.worst_s <= WORST_S
            and self.back_s <= BACK_S
            and not any(counts)
        )


# Nothing in these is a reason to take all traffic off the fleet.
_NO_REASON = (Kind.OVERLOAD, Kind.PART, Kind.BLIP, Kind.AGENT, Kind.BROKE)


def run_all(seeds: Iterable[int], design: Design, kinds: Sequence[Kind] = ()) -> list[Result]:
    """Let the scenarios of *seeds* happen; only those of some *kinds* if they are named."""
    stories = (scenario(seed) for seed in seeds)
    return [happens(story, design) for story in stories if not kinds or story.kind in kinds]


def goals(results: Sequence[Result]) -> Goals:
    """Measure *results* by what was promised."""
    timed = [result for result in results if result.scenario.kind in TIMED]
    away = [result.away_s for result in timed if result.away_s is not None]
    return Goals(
        median_s=statistics.median(away),
        worst_s=max(away),
        back_s=max((r.back_s for r in results if r.back_s is not None), default=0.0),
        unmoved=len(timed) - len(away),
        oscillating=sum(result.trips > result.allowed for result in results),
        astray=sum(result.to_a_dead_fallback for result in results),
        moved_for_nothing=sum(r.trips > 0 for r in results if r.scenario.kind in _NO_REASON),
        unfinished=sum(not result.ended for result in results),
    )


def rows(results: Sequence[Result]) -> list[tuple[str, ...]]:
    """A row for each kind of scenario."""
    by_kind = {kind: [r for r in results if r.scenario.kind is kind] for kind in Kind}
    return [_row(kind, found) for kind, found in by_kind.items() if found]


def _row(kind: Kind, results: Sequence[Result]) -> tuple[str, ...]:
    away = sorted(result.away_s for result in results if result.away_s is not None)
    back = [result.back_s for result in results if result.back_s is not None]
    return (
        kind.value,
        str(len(results)),
        str(len(away)),
        _seconds(statistics.median(away) if away else None),
        _seconds(away[int(0.95 * len(away))] if away else None),
        _seconds(away[-1] if away else None),
        str(max(result.trips for result in results)),
        _seconds(max(back, default=None)),
        _seconds(statistics.median(result.lost_s for result in results)),
    )


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} s"
