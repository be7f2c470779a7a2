"""A fleet on paper: hosts, load balancer, group, bucket and clients, under one clock."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from provision.config.environment import Environment
from provision.config.timeouts import chain
from provision.errors import CloudError
from provision.facts.inventory import Host
from provision.planning.release import MANIFEST
from provision.testing import samples
from tests.paper.account import Account
from tests.paper.balancer import Balancer
from tests.paper.engine import Fate
from tests.paper.host import FAULT, OPERATOR, PaperHost
from tests.paper.timeline import Timeline

S3_CALLS = ("put_if", "get_stamped", "get_object", "put_object", "list_objects")
_LAUNCH_S, _LOOK_S, _JOIN_S = 20.0, 30.0, 10.0


@dataclass(frozen=True)
class Lost:
    """A request without an answer, and through whom."""

    at: float
    host: str
    why: str
    by: str


@dataclass(eq=False, repr=False)
class World:
    """All that is outside of an operator's process; it can be copied at any moment.

    Attributes:
        alive: processes that run; ``asleep``: those of them whose machine sleeps.
        fates: what becomes of the engines of a release.
        faulty: hosts that something befell, until they serve again.
        lost: requests without an answer.
        too_few: hosts that were taken out of traffic when nobody else served.
    """

    environment: Environment
    time: Timeline = field(default_factory=Timeline)
    hosts: dict[str, PaperHost] = field(default_factory=dict)
    alive: set[str] = field(default_factory=set)
    asleep: set[str] = field(default_factory=set)
    fates: dict[str, Fate] = field(default_factory=dict)
    faulty: set[str] = field(default_factory=set)
    lost: list[Lost] = field(default_factory=list)
    too_few: list[str] = field(default_factory=list)
    s3_away: bool = False
    api_away: bool = False
    launched: int = 0
    born: int = 0
    account: Account = field(init=False)
    balancer: Balancer = field(init=False)

    def __post_init__(self) -> None:
        self.account = Account(self)
        delay_s = float(chain(self.environment.engine).deregistration_delay_s)
        self.balancer = Balancer(self, delay_s)
        self.time.after(0.0, self.balancer.ask_for_ever)
        self.time.after(_LOOK_S, self._scale)

    def copy(self) -> World:
        """The same at this moment; what happens to one does not happen to the other."""
        twin: World = pickle.loads(pickle.dumps(self, pickle.HIGHEST_PROTOCOL))
        return twin

    def add(self, host: Host, release: str | None, kept: Iterable[str] = ()) -> PaperHost:
        """A host that runs *release* and has done so for a day."""
        there = {*kept, *([release] if release else [])}
        paper = PaperHost(self, host, kept=there, ready_to_run=set(there), booted=True)
        self.hosts[host.name] = paper
        if release is not None:
            paper.start_engine(release, FAULT)
            if paper.engine is not None:
                paper.engine.started_at -= 86_400.0
        self.balancer.register(host.name)
        return paper

    def lose(self, host: str, why: str, by: str) -> None:
        """A client got no answer."""
        self.lost.append(Lost(self.time.now, host, why, by))

    def blame(self) -> str:
        """Through whom clients find nobody: a fault, if one is about."""
        return FAULT if self.faulty else OPERATOR

    def note_healed(self) -> None:
        """Hosts that serve are not faulty any more; those that are gone are missed until as many
        serve as there should be."""
        if self.faulty:
            serving = set(self.serving())
            whole = len(serving) >= self.environment.fleet.hosts
            self.faulty = set() if whole else self.faulty - serving

    def serving(self) -> list[str]:
        """Hosts that clients reach, and that answer."""
        return [host.name for host in self.balancer.sent_to() if host.warm]

    def note_leaving(self, name: str) -> None:
        """An operator takes a host out of traffic. That the load balancer calls others healthy for
        some seconds after they died is nobody's doing."""
        targets = self.balancer.targets
        staying = targets.keys() & set(self.serving())
        called = {other for other, target in targets.items() if target.state == "healthy"}
        if staying == {name} and called <= {name}:
            self.too_few.append(name)

    def has_release(self, release: str) -> bool:
        """A host can fetch it."""
        return not self.s3_away and f"releases/{release}/{MANIFEST}" in self.account.objects

    def process_id(self, machine: str) -> str:
        """What *machine* knows the next process by."""
        self.born += 1
        return f"{machine}/{self.born}"

    def is_heard(self, process: str) -> bool:
        """Its heartbeats arrive."""
        return process in self.alive and process not in self.asleep and not self.s3_away

    def silence(self, process: str) -> None:
        """Nothing is heard of it from now on."""
        self.account.falls_silent(process)

    def dies(self, process: str) -> None:
        """Without a word."""
        self.silence(process)
        self.alive.discard(process)

    def s3_goes(self) -> None:
        """S3 answers nobody."""
        self.silence(self.account.holder)
        self.s3_away = True
        trouble = CloudError("s3 on s3://bucket failed: SlowDown: please reduce", hint="wait")
        self.account.failures.update(dict.fromkeys(S3_CALLS, trouble))

    def s3_comes_back(self) -> None:
        """It answers again."""
        self.s3_away = False
        for call in S3_CALLS:
            self.account.failures.pop(call, None)

    def cure(self) -> None:
        """All faults end: engines live, lines are mended, there is space, power and S3."""
        if self.s3_away:
            self.s3_comes_back()
        self.fates.clear()
        for host in list(self.hosts.values()):
            host.disk_full, host.ssh = False, host.on
            if host.engine is not None:
                host.engine.fate = Fate.FINE
            if not host.on:
                host.power_on()

    def befalls(self, name: str) -> PaperHost:
        """Something befalls a host: what it loses is nobody's fault."""
        self.faulty.add(name)
        return self.hosts[name]

    def is_terminated(self, name: str) -> None:
        """The instance is gone for good."""
        self.befalls(name).power_off()
        self.balancer.forget(name)
        del self.hosts[name]

    def _scale(self) -> None:
        """The Auto Scaling group launches what is missing."""
        missing = self.environment.fleet.hosts - len(self.hosts)
        if missing > 0 and "Launch" not in self.account.stopped:
            self.launch()
        self.time.after(_LOOK_S, self._scale)

    def launch(self) -> str:
        """A new instance, which boots, and takes what booting hosts take."""
        self.launched += 1
        host = replace(samples.hosts(1)[0], name=f"i-new{self.launched}", address="10.40.9.9")
        paper = PaperHost(self, host, ssh=False)
        self.hosts[host.name] = paper
        self.faulty.add(host.name)  # it never took traffic yet
        self.time.after(_LAUNCH_S, self._has_booted, host.name)
        self.time.after(_JOIN_S, self._joins, host.name)
        return host.name

    def _has_booted(self, name: str) -> None:
        if (host := self.hosts.get(name)) is not None:
            host.power_on()

    def _joins(self, name: str) -> None:
        if name in self.hosts:
            self.balancer.register(name)
