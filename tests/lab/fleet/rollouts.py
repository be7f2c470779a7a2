"""One rollout after the other under load, and what it did to clients and to hosts."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.lab.fleet.load import Load
from tests.lab.fleet.standing import Done, Fleet
from tests.lab.fleet.typed import typed

_LOADED = "Application startup complete"


@dataclass(frozen=True)
class Away:
    """One host's time out of traffic, in seconds, and what of it was not our doing."""

    host: str
    seconds: float
    drain_s: float
    stop_s: float
    engine_s: float
    warm_up_s: float
    balancer_s: float

    @property
    def ours_s(self) -> float:
        """What is left beside draining, the engine's own end, its start and its warm-up, and what
        the load balancer takes to stop sending and to look at a target for the first time."""
        engine_s = self.stop_s + self.engine_s + self.warm_up_s
        return self.seconds - self.drain_s - engine_s - self.balancer_s

    def __str__(self) -> str:
        return (
            f"{self.host} away {self.seconds:.1f} s: drained {self.drain_s:.1f},"
            f" engine ended {self.stop_s:.1f}, started {self.engine_s:.1f},"
            f" warmed {self.warm_up_s:.1f}, load balancer {self.balancer_s:.1f},"
            f" the rest {self.ours_s:.1f}"
        )


@dataclass
class Rollout:
    """One `fab` command under load."""

    words: tuple[str, ...]
    done: Done
    begun: float
    ended: float
    away: list[Away] = field(default_factory=list)


@dataclass
class Pace:
    """Clients ask slowly while an engine loads: two cores can't do both at full speed."""

    came: Load
    fast_s: float
    slow_s: float

    def hear(self, line: str) -> None:
        """A line of progress of `fab`."""
        if "wait until ready" in line:
            self.came.pause_s = self.slow_s if line.startswith("..") else self.fast_s


def roll(fleet: Fleet, pace: Pace, *words: str) -> Rollout:
    """Type a `fab` command that changes hosts, and look at what it did to them."""
    begun = time.time()
    with typed(fleet, *words, "--yes", "--json", hear=pace.hear) as running:
        done = running.end(seconds=1800)
    pace.came.pause_s = pace.fast_s
    assert done.code == 0, str(done)
    rollout = Rollout(words, done, begun, time.time())
    changed = [host for host in done.json["outcome"]["hosts"] if host["waterfall"]]
    rollout.away = [_away(fleet, host) for host in changed]
    return rollout


def _away(fleet: Fleet, said: dict[str, Any]) -> Away:
    """Of what a host went through, everything from leaving traffic to being back."""
    done = [(step["step"], step["seconds"]) for step in said["done"]]
    names = [name for name, _ in done]
    out = done[names.index("leave traffic") : names.index("enter traffic") + 1]
    host, waterfall = said["name"], said["waterfall"]
    return Away(
        host=host,
        seconds=sum(seconds for _, seconds in out),
        drain_s=dict(out)["wait until it is empty"],
        stop_s=waterfall["stop"],
        engine_s=engine_start_s(fleet, host),
        warm_up_s=waterfall["warm_up"],
        balancer_s=dict(out)["leave traffic"] + dict(out)["enter traffic"],
    )


def engine_start_s(fleet: Fleet, host: str) -> float:
    """From the start of the engine's container to its own word that it serves."""
    engine = "llm-fleet-engine-0"
    started = fleet.inside(host, f"docker inspect -f '{{{{.State.StartedAt}}}}' {engine}")
    logged = fleet.inside(host, f"docker logs -t {engine} 2>&1")
    (said,) = [line for line in logged.splitlines() if _LOADED in line][-1:]
    return _moment(said.split()[0]) - _moment(started)


def _moment(text: str) -> float:
    """Docker's times have nanoseconds, more than Python reads."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d*", r"\1", text)).timestamp()
