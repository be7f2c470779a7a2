"""The fallback switch in 1,000 random outages with a fake clock, as it ships and in other designs.

python -m bench.closed_loop [scenarios]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

from bench.measure import table, verdict
from provision.switch.values import Role
from tests.switch.closed_loop.fleet import AgentSpec
from tests.switch.closed_loop.loop import Design, Result
from tests.switch.closed_loop.scenario import TIMED, Kind
from tests.switch.closed_loop.summary import (
    BACK_S,
    HEADS,
    MEDIAN_S,
    WORST_S,
    Goals,
    goals,
    rows,
    run_all,
)

SCENARIOS = 1000
WORKERS = 2

CHOSEN = Design()
_WAKES = replace(CHOSEN, policy=replace(CHOSEN.policy, watch_when_well=False))
_ONCE = replace(CHOSEN, policy=replace(CHOSEN.policy, watch_when_well=False, stay_s=0.0))


def _two_of_three(design: Design) -> Design:
    canary = replace(design.alarms[Role.CANARY], m=2, n=3)
    return replace(design, alarms={**design.alarms, Role.CANARY: canary})


DESIGNS = {
    "as it ships": CHOSEN,
    "canary alarm 2 of 3 instead of 1 of 1": _two_of_three(CHOSEN),
    "agents' canaries wait 15 s instead of 5": replace(CHOSEN, agent=AgentSpec(15.0)),
    "a changed canary waits for its 10 s": replace(CHOSEN, agent=AgentSpec(flush_on_change=False)),
    "stays only while something is wrong": _WAKES,
    "one look a call": _ONCE,
    "one look a call, 2 of 3": _two_of_three(_ONCE),
}


def main() -> None:
    """Print both tables."""
    scenarios = int(sys.argv[1]) if len(sys.argv) > 1 else SCENARIOS
    begun = time.monotonic()
    results = _all(scenarios, CHOSEN)
    print(table(HEADS, rows(results)))
    measured = goals(results)
    print()
    print(table(("dead or hung fleets, and all others", "", "goal", "kept"), _goal_rows(measured)))
    print()
    heads = ("designs, for dead and hung fleets", "median", "worst", "back", "kept")
    print(table(heads, [_design_row(name, scenarios) for name in DESIGNS]))
    print(f"{scenarios} scenarios, {time.monotonic() - begun:.0f} s")
    sys.exit(0 if measured.kept else 1)


def _all(scenarios: int, design: Design, kinds: Sequence[Kind] = ()) -> list[Result]:
    parts = [range(first, scenarios, 8) for first in range(8)]
    with ProcessPoolExecutor(WORKERS) as pool:
        futures = [pool.submit(run_all, part, design, kinds) for part in parts]
        return [result for future in futures for result in future.result()]


def _goal_rows(measured: Goals) -> list[tuple[str, ...]]:
    seconds = (
        ("from failure to 0/100, median", measured.median_s, MEDIAN_S),
        ("from failure to 0/100, worst", measured.worst_s, WORST_S),
        ("back to 100 % after hold and fleet, worst", measured.back_s, BACK_S),
    )
    counts = (
        ("traffic of a dead fleet that stayed", measured.unmoved),
        ("more than one trip a fault", measured.oscillating),
        ("traffic sent to a dead fallback", measured.astray),
        ("all traffic taken off a fleet that served", measured.moved_for_nothing),
        ("never back to 100 %", measured.unfinished),
    )
    return [
        (name, f"{value:.1f} s", f"{most:.0f} s", verdict(value <= most))
        for name, value, most in seconds
    ] + [(name, str(count), "0", verdict(count == 0)) for name, count in counts]


def _design_row(name: str, scenarios: int) -> tuple[str, ...]:
    measured = goals(_all(scenarios, DESIGNS[name], TIMED))
    said = (measured.median_s, measured.worst_s, measured.back_s)
    return (name, *(f"{value:.1f} s" for value in said), verdict(measured.kept))


if __name__ == "__main__":
    main()
