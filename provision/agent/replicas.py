"""The engines of this host, each watched by the release that its container was started from.

While a rollout changes them one by one they are of two releases; ``current`` is the host's, and
what its front runs from.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Callable, Dict, List, Optional, Protocol, Tuple

from provision.agent import hop
from provision.agent.docker import Container
from provision.agent.engine import Engine
from provision.agent.hearing import Heard
from provision.agent.host import Host
from provision.agent.maintenance import Maintenance, Mark
from provision.agent.out import Out
from provision.agent.report import ReplicaReport, left_out
from provision.agent.settings import LOOK_S, AgentSettings, Replica
from provision.agent.system import read_json
from provision.agent.watch import Watch

TICK_S = LOOK_S
_SHORTEST_S = 0.1  # a watch whose turn fails must not spin

Spawn = Callable[..., None]


class Say(Protocol):
    """Says trouble, once while it lasts."""

    def __call__(self, reason: str, *, hint: str = "") -> None: ...


@dataclass(frozen=True)
class Watched:
    """One engine, until its watch ends."""

    watch: Watch
    engine: Engine
    ended: threading.Event = field(default_factory=threading.Event)


class Replicas:
    """Each attribute is written by one thread, the agent's main one, and whole."""

    def __init__(
        self,
        host: Host,
        *,
        mark: Callable[[], Optional[Mark]],
        hear: Callable[[Heard], None],
        spawn: Spawn,
        say: Say,
    ) -> None:
        self._host, self._mark, self._spawn, self._say = host, mark, spawn, say
        self._hear = hear
        self._out = Out(host.paths.out)
        self._containers: Optional[Dict[str, Container]] = None
        self._watched: Tuple[Watched, ...] = ()
        self.release: Optional[str] = None
        self.settings: Optional[AgentSettings] = None

    @property
    def watches(self) -> List[Watch]:
        """In their order."""
        return [one.watch for one in self._watched]

    @property
    def engines(self) -> List[Engine]:
        """In their order."""
        return [one.engine for one in self._watched]

    def engine(self, index: int) -> Optional[Engine]:
        """One of them, None when there is no such engine."""
        return next((one.engine for one in self._watched if one.watch.index == index), None)

    def adopt(self, release: str) -> None:
        """*release* is current from now on. Raises AgentError when it can't be read."""
        self.settings = self._settings_of(release)
        self.release, self._containers = release, None
        count = len(self.settings.replicas)
        self._host.events.emit("watching", release=release, replicas=count)

    def look(self) -> None:
        """Look at the containers, and watch each by the release that it came from."""
        settings, release = self.settings, self.release
        if settings is None or release is None:
            return
        names = [replica.container for replica in settings.replicas]
        containers = self._host.docker.containers(names)
        before = {one.watch.index: one for one in self._watched}
        kept = tuple(
            self._for(replica, containers.get(replica.container), release, before)
            for replica in settings.replicas
        )
        for one in self._watched:
            if one not in kept:
                one.ended.set()
        begun = [one for one in kept if one not in self._watched]
        self._watched, self._containers = kept, containers
        for one in begun:
            self._spawn(self._keep_watching, one)
        self._end_leases()
        self.leave_out()

    def step(self, watch: Watch) -> None:
        """One turn of a watch, in its own thread."""
        seen = self._containers
        if seen is None:
            return
        mark = self._mark() or self._away(watch.index)
        since = mark.since if mark is not None and not mark.emptied else None
        heard = watch.step(seen.get(watch.container), away_since=since)
        if heard is not None and mark is None:  # who is away on purpose is nobody's bad news
            self._hear(heard)
        self.leave_out()

    def reports(self) -> List[ReplicaReport]:
        """What there is to tell of each engine now."""
        paths = self._host.paths
        return [
            replace(
                watch.report(),
                away=self._away(watch.index),
                changing=paths.journal_of(watch.index).exists(),
            )
            for watch in self.watches
        ]

    def leave_out(self) -> None:
        """Let the front know which engines get nothing new."""
        settings = self.settings
        if settings is not None and settings.leaves_out and self._watched:
            now = self._host.clock.now()
            self._out.update(lambda before: left_out(self.reports(), before, now))

    @property
    def out(self) -> List[int]:
        """The engines that get nothing new."""
        return sorted(self._out.indexes())

    def worked_on(self) -> bool:
        """Somebody changes engines of this host one by one."""
        reports = self.reports()
        mixed = len({one.release for one in reports}) > 1
        return mixed or any(one.away or one.changing for one in reports)

    def _for(
        self,
        replica: Replica,
        container: Optional[Container],
        current: str,
        before: Dict[int, Watched],
    ) -> Watched:
        """Who watches this engine: whoever did, as long as it is of the same release."""
        known = before.get(replica.index)
        if container is None:
            source = known.watch.release if known else current
        else:
            source = self._source(container) or current
        if known is not None and known.watch.release == source:
            return known
        settings = self._settings_of(source)
        own = next((one for one in settings.replicas if one.index == replica.index), replica)
        return self._watch(own, source, settings)

    def _source(self, container: Container) -> Optional[str]:
        """The release of a container, None for one whose release is not here."""
        if container.release_folder is None:
            return None
        release = Path(container.release_folder).name
        there = (self._host.paths.release(release) / "agent.json").is_file()
        return release if there else None

    def _watch(self, replica: Replica, release: str, settings: AgentSettings) -> Watched:
        host, secret = self._host, hop.read(self._host.paths)
        engine = Engine(replica.port, settings.model, secret, host.clock, chat=settings.chat)
        watch = Watch(
            replica,
            settings,
            release=release,
            docker=host.docker,
            engine=engine,
            paths=host.paths,
            clock=host.clock,
            events=host.events,
        )
        return Watched(watch, engine)

    def _settings_of(self, release: str) -> AgentSettings:
        return AgentSettings.parse(read_json(self._host.paths.release(release) / "agent.json"))

    def _keep_watching(self, one: Watched) -> None:
        while not one.ended.is_set():
            try:
                self.step(one.watch)
            except Exception as error:  # a watch that ends would go unnoticed
                self._say(f"{type(error).__name__}: {error}")
            one.ended.wait(max(_SHORTEST_S, one.watch.pause_s))

    def _away(self, index: int) -> Optional[Mark]:
        maintenance = Maintenance(self._host.paths.maintenance_of(index))
        return maintenance.mark(self._host.clock.now())

    def _end_leases(self) -> None:
        """Nobody ended the maintenance of an engine: it serves again as soon as it is ready."""
        for watch in self.watches:
            maintenance = Maintenance(self._host.paths.maintenance_of(watch.index))
            if maintenance.ran_out(self._host.clock.now()) and maintenance.end():
                text = "nobody ended the maintenance"
                self._host.events.emit("lease-ended", replica=watch.index, text=text)
