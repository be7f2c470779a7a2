"""What a rollout costs beside waiting: its decisions, its journal, its calls. A fleet on paper.

The task is the real one (`fab deploy` of a changed release), with its plan, executor, lock and
journal; hosts, load balancer and S3 are the tests' paper fleet, where time is a number. So what is
measured is the operator's process alone, and all calls that it makes are counted.

python -m bench.rollout
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest

from bench.measure import table, verdict
from provision.executor import locked
from provision.executor.journal import Journal
from tests.paper import stage
from tests.paper.desk import Desk, desks
from tests.paper.doors import Moment, Process, Room
from tests.paper.world import World

FLEETS = (8, 64)
MOST_S = 1.0  # a host
CALL_S = 0.05  # one call of AWS: a conditional write to S3 in the same region, with room


class QuietJournal(Journal):
    """The real one; its heartbeat, one write in ten seconds, is no part of a step."""

    def start(self) -> None:
        """Nothing by itself."""


@dataclass
class Counted(Process):
    """An operator's process whose calls are counted, and whose waiting is timed."""

    calls: Counter[str] = field(default_factory=Counter)
    stood_s: float = 0.0

    def look(self, act: Any) -> Any:
        """A question."""
        self.calls["questions"] += 1
        return super().look(act)

    def wait(self, seconds: float, cut: Any = lambda: None) -> None:
        """The fleet's time passes, and costs us what playing it costs."""
        begun = time.perf_counter()
        super().wait(seconds, cut)
        self.stood_s += time.perf_counter() - begun


@dataclass(frozen=True)
class Cost:
    """Of one rollout."""

    hosts: int
    ours_s: float
    writes: int
    questions: int
    waited_s: float

    @property
    def a_host_s(self) -> float:
        """Processor time of ours, and S3's for the journal."""
        return (self.ours_s + self.writes * CALL_S) / self.hosts


def cost(hosts: int) -> Cost:
    """Of a deploy of a changed release, one host after the other."""
    room = Room(stage.fleet(hosts))
    desk = Desk(room)
    writes: Counter[str] = Counter()

    def watch(moment: Moment) -> None:
        if moment.when == "before":
            writes[moment.what.split()[0]] += 1

    process = Counted(room, room.world.process_id(desk.machine), watch=watch)
    begun, at = time.perf_counter(), room.world.time.now
    said = desk.fab("deploy", process=process)
    took = time.perf_counter() - begun
    _require(room.world, said.code, said.text, hosts)
    return Cost(
        hosts,
        took - process.stood_s,
        writes["put_if"],
        process.calls["questions"],
        room.world.time.now - at,
    )


def _require(world: World, code: int, text: str, hosts: int) -> None:
    found = stage.troubles(world, {stage.new(hosts)})
    if code or found:
        raise SystemExit(f"the rollout did not go well: exit {code}\n{text[-2000:]}\n{found}")


def main() -> None:
    """Print the table."""
    with desks(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(locked, "Journal", QuietJournal)
        cost(2)  # what is imported and rendered once
        rows = [_row(cost(hosts)) for hosts in FLEETS]
    heads = ("hosts", "ours", "journal writes", "questions", "the fleet's time", "a host", "below")
    print(table((*heads, "kept"), rows))
    print(f"a host: ours, and {CALL_S * 1000:.0f} ms for each write of the journal to S3")


def _row(one: Cost) -> tuple[str, ...]:
    return (
        f"{one.hosts}",
        f"{one.ours_s:.2f} s",
        f"{one.writes}",
        f"{one.questions}",
        f"{one.waited_s / 60:.0f} min",
        f"{one.a_host_s:.2f} s",
        f"{MOST_S:.0f} s",
        verdict(one.a_host_s < MOST_S),
    )


if __name__ == "__main__":
    main()
