"""A load balancer on paper, and the clients that never stop asking it."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING

from provision.connectors.protocols import TargetHealth

if TYPE_CHECKING:
    from tests.paper.host import PaperHost
    from tests.paper.world import World

CHECK_S = 5.0  # as infra/load_balancer.py provisions it
THRESHOLD = 2
FIRST_CHECK_S = 1.0
LAG_S = 1.0  # so long a target still gets requests after it was taken out
EACH_S = 0.5  # a request
LENGTHS_S = (1.0, 4.0, 0.4, 12.0, 2.0)


_load = attrgetter("load")


@dataclass
class Target:
    """One registered target. ``entered`` tells a second registration from the first."""

    entered: int
    state: str = "initial"
    passed: int = 0
    failed: int = 0

    def take(self, passed: bool) -> None:
        """Count one look; a new target is healthy after one that passed."""
        self.passed, self.failed = (self.passed + 1, 0) if passed else (0, self.failed + 1)
        if self.passed >= (1 if self.state == "initial" else THRESHOLD):
            self.state = "healthy"
        elif self.failed >= THRESHOLD:
            self.state = "unhealthy"


@dataclass
class Leaving:
    """A target that was taken out."""

    until: float  # it is shown as draining
    sent_to_until: float


@dataclass(eq=False, repr=False)
class Balancer:
    """Sends requests to registered, healthy targets; to all registered ones when none is healthy.

    As on AWS, a target that is taken out still gets a request or two before that is known
    everywhere.
    """

    world: World
    delay_s: float
    targets: dict[str, Target] = field(default_factory=dict)
    leaving: dict[str, Leaving] = field(default_factory=dict)
    asked: int = 0
    _entered: int = 0

    def register(self, name: str) -> None:
        """Put a target in; no matter if it is there."""
        if name not in self.targets:
            self._entered += 1
            self.leaving.pop(name, None)
            self.targets[name] = Target(self._entered)
            self.world.time.after(FIRST_CHECK_S, self._check, name, self._entered)

    def deregister(self, name: str) -> None:
        """Take it out."""
        target = self.targets.pop(name, None)
        if target is not None:
            now = self.world.time.now
            lag = LAG_S if target.state == "healthy" else 0.0
            self.leaving[name] = Leaving(now + self.delay_s, now + lag)

    def forget(self, name: str) -> None:
        """The instance is gone, and its target with it."""
        self.targets.pop(name, None)
        self.leaving.pop(name, None)

    def health(self) -> tuple[TargetHealth, ...]:
        """As DescribeTargetHealth says it."""
        now = self.world.time.now
        there = [TargetHealth(name, target.state) for name, target in self.targets.items()]
        gone = [
            TargetHealth(name, "draining")
            for name, left in self.leaving.items()
            if left.until > now
        ]
        return (*there, *gone)

    def sent_to(self) -> list[PaperHost]:
        """Hosts that get requests now."""
        now, hosts = self.world.time.now, self.world.hosts
        healthy = [name for name, target in self.targets.items() if target.state == "healthy"]
        late = [name for name, left in self.leaving.items() if left.sent_to_until > now]
        return [hosts[name] for name in (*(healthy or self.targets), *late)]

    def pick(self) -> PaperHost | None:
        """The host that carries least; they take turns."""
        hosts = self.sent_to()
        self.asked += 1
        if len(hosts) < 2:
            return hosts[0] if hosts else None
        turn = self.asked % len(hosts)
        return min(hosts[turn:] + hosts[:turn], key=_load)

    def ask_for_ever(self) -> None:
        """The clients: one request each half second, of mixed lengths."""
        self.world.note_healed()
        host = self.pick()
        if host is None:
            self.world.lose("nobody", "no target at all", self.world.blame())
        else:
            host.take_request(LENGTHS_S[self.asked % len(LENGTHS_S)])
        self.world.time.after(EACH_S, self.ask_for_ever)

    def _check(self, name: str, entered: int) -> None:
        target = self.targets.get(name)
        if target is not None and target.entered == entered:
            target.take(self.world.hosts[name].deep())
            self.world.time.after(CHECK_S, self._check, name, entered)
