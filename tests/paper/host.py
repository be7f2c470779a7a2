"""A host on paper: disk, agent, engine. What it says and waits for is said by the real program."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from provision.agent.maintenance import Mark
from provision.agent.metrics import Metrics
from provision.agent.supervise import Phase
from provision.facts.inventory import Host
from tests.paper.engine import LOAD_S, SHORT_LIFE_S, WARM_UP_S, Engine, Fate
from tests.paper.jobs import Jobs

if TYPE_CHECKING:
    from tests.paper.world import World

OPERATOR, FAULT = "operator", "fault"
_TICK_S = 2.0
_BOOT_S = 30.0
_RETRY_S = 20.0


@dataclass(eq=False, repr=False)
class PaperHost:
    """One instance of the fleet.

    Attributes:
        current: where ``/opt/llm-fleet/current`` points to.
        kept: releases on its disk; ``ready_to_run`` those of them with their images.
        epoch: the highest that it has heard of.
        booted: since it has power, a release was applied.
        swapping: an apply is between stopping the old and having started the new.
        down_by: through whom its engine is not warm.
        carried: when the requests that it carries will end.
    """

    world: World
    host: Host
    current: str | None = None
    kept: set[str] = field(default_factory=set)
    ready_to_run: set[str] = field(default_factory=set)
    engine: Engine | None = None
    epoch: int = 0
    mark: Mark | None = None
    booted: bool = False
    swapping: bool = False
    on: bool = True
    ssh: bool = True
    disk_full: bool = False
    docker_broken: bool = False
    endless: bool = False  # what it carries never ends
    down_by: str = FAULT
    carried: list[float] = field(default_factory=list)
    steps: int = 0
    jobs: Jobs = field(init=False)

    def __post_init__(self) -> None:
        self.jobs = Jobs(self)

    @property
    def name(self) -> str:
        """The instance's id."""
        return self.host.name

    @property
    def now(self) -> float:
        """The time. A host whose clock is wrong is wrong about all times alike."""
        return self.world.time.now

    @property
    def load(self) -> int:
        """Requests that it carries."""
        now = self.now
        if not self.endless:
            self.carried = [end for end in self.carried if end > now]
        return len(self.carried)

    @property
    def warm(self) -> bool:
        """Whoever asks it gets an answer."""
        return self.on and self.engine is not None and self.engine.warm(self.now)

    def take_request(self, seconds: float) -> None:
        """A client's request: it ends well unless the engine goes before it does."""
        if self.warm:
            self.steps += 1
            self.carried.append(self.now + seconds)
        else:
            self.world.lose(self.name, "its engine is not warm", self._blame())

    def deep(self) -> bool:
        """What ``/healthz/deep`` says to the load balancer."""
        return self._ready and self._held_mark() is None

    def status(self) -> dict[str, Any]:
        """The agent's status document (provision/agent/report.py), as far as operators read it."""
        engine, mark = self.engine, self._held_mark()
        phase = engine.phase(self.now) if engine else Phase.STOPPED
        reason = engine.reason(self.now) if engine else "there is no engine container"
        if self.swapping:
            reason = "a release is being applied"
        elif mark is not None and not reason:
            reason = f"under maintenance: {mark.why}"
        return {
            "state": "no-release" if self.current is None else phase.value,
            "release": self.current,
            "ready_for": self.current if self._ready else None,
            "reason": reason,
            "replicas": [] if engine is None else [self._replica(engine, phase)],
            "waterfall": {"load": LOAD_S, "warm_up": WARM_UP_S},
            "kv_cache_tokens": 61344,
            "log": ["ERROR out of memory"] if phase is Phase.CRASH_LOOP else [],
            "maintenance": None if mark is None else asdict(mark),
            "leaving": None,
        }

    def _replica(self, engine: Engine, phase: Phase) -> dict[str, Any]:
        return {
            "index": 0,
            "state": phase.value,
            "running": self.load,
            "waiting": 0,
            "started_at": f"{engine.started_at:.3f}",
            "uptime_s": round(self.now - engine.started_at, 3),
            "restarts": engine.restarts,
        }

    def metrics(self) -> Metrics:
        """What its engine says of its work."""
        if not self.warm:
            return Metrics()
        return Metrics(running=self.load, waiting=0, kv_usage=0.1, steps=float(self.steps))

    def maintain(self, *, lease_s: float, why: str) -> Mark:
        """Begin or renew the maintenance; it ends by itself."""
        before = self._held_mark()
        self.mark = Mark(before.since if before else self.now, self.now + lease_s, why)
        self.world.time.after(lease_s + _TICK_S, self._end_lease)
        return self.mark

    def resume(self) -> bool:
        """End it; False when there was none."""
        was, self.mark = self.mark is not None, None
        return was

    def away_as_since(self, moment: float) -> bool:
        """The mark that began then is there, though it may have run out under an apply."""
        return self.mark is not None and self.mark.since == moment

    def start_engine(self, release: str, by: str) -> None:
        """A new container: nothing is warm."""
        self.current, self.down_by = release, by
        fate = self.world.fates.get(release, Fate.FINE)
        self.engine = Engine(release, self.now, fate)
        if fate is Fate.SHORT_LIVED:
            self.world.time.after(LOAD_S + WARM_UP_S + SHORT_LIFE_S, self._dies, self.engine)

    def stop_engine(self, by: str) -> None:
        """What it carries is lost: nobody was to stop an engine that carries something."""
        for _ in range(self.load):
            self.world.lose(self.name, "its engine was stopped", by)
        self.carried, self.engine, self.down_by = [], None, by

    def engine_crashes(self) -> None:
        """Docker starts it again, and its agent warms it again."""
        if self.engine is not None:
            restarts = self.engine.restarts + 1
            self.stop_engine(FAULT)
            self.start_engine(self.current or "", FAULT)
            self.engine.restarts = restarts

    def power_off(self) -> None:
        """Everything stops where it is; the mark does not outlive it."""
        self.stop_engine(FAULT)
        self.on, self.ssh, self.mark, self.booted = False, False, None, False
        self.jobs.cut()

    def power_on(self) -> None:
        """It boots, and takes what booting hosts take."""
        self.on, self.ssh = True, True
        self.world.time.after(_BOOT_S, self._boot)

    def _boot(self) -> None:
        """Take the current release; again and again until one was applied, whoever did that."""
        if not self.on or self.booted:
            return
        if self._held_mark() is None:  # who took it away before may be gone
            self.maintain(lease_s=0.0, why="it booted")
        wanted = self.world.account.current() if not self.world.s3_away else self.current
        if wanted is not None and not self.jobs.busy:
            self.jobs.add(wanted, fetch=True, by=FAULT)
        self.world.time.after(_RETRY_S, self._boot)

    def _end_lease(self) -> None:
        """The agent's turn: a mark that ran out puts the host back into traffic."""
        if not self.on or self.mark is None or self.mark.holds(self.now):
            return
        if self.world.api_away or self.jobs.busy:
            self.world.time.after(_TICK_S, self._end_lease)
            return
        self.world.balancer.register(self.name)
        self.mark = None

    def _dies(self, engine: Engine) -> None:
        if self.engine is engine and engine.fate is Fate.SHORT_LIVED:
            self.engine_crashes()

    def _held_mark(self) -> Mark | None:
        return self.mark if self.mark is not None and self.mark.holds(self.now) else None

    @property
    def _ready(self) -> bool:
        """Warm, and nobody applies anything."""
        return self.warm and not self.swapping

    def _blame(self) -> str:
        """Through whom a request is lost here: a fault elsewhere may have sent it."""
        return self.down_by if self.down_by == FAULT else self.world.blame()
