"""The agent: watches the engines, answers for them, and brings a host without a release up."""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from provision.agent import hop
from provision.agent.apply import Apply
from provision.agent.boot import boot
from provision.agent.docker import Container
from provision.agent.engine import Engine
from provision.agent.errors import AgentError, Busy
from provision.agent.host import Host
from provision.agent.keys import KeyRing
from provision.agent.maintenance import Maintenance
from provision.agent.report import document, readiness
from provision.agent.server import in_background, key_server, status_server
from provision.agent.settings import AgentSettings
from provision.agent.system import read_json
from provision.agent.watch import Watch

_TICK_S = 2.0
_KEYS_S = 20.0
_RETRY_S = 20.0


class Agent:
    """State shared by the agent's threads. Each attribute is written by one thread, and whole."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._ring = KeyRing(host.paths.keys)
        self._maintenance = Maintenance(host.paths.maintenance)
        self._release: Optional[str] = None
        self._settings: Optional[AgentSettings] = None
        self._watches: Tuple[Watch, ...] = ()
        self._ended = threading.Event()
        self._containers: Optional[Dict[str, Container]] = None
        self._problem = ""
        self._boot_problem = ""
        self._said = ""
        self._next_boot = 0.0
        self._journal_since: Optional[float] = None
        self._applied: Mapping[str, float] = {}
        self._program = _identity(host.paths.program)

    def run(self) -> None:
        """Serve until the process is ended."""
        in_background(status_server(self.deep, self.status))
        in_background(key_server(self._ring, self._host.clock.now, self._host.paths.socket))
        self._spawn(self._sync_keys)
        while True:
            self.tick()
            self._host.clock.sleep(_TICK_S)

    def tick(self) -> None:
        """One turn of the main thread: follow ``current``, look at Docker, come to the rescue.

        A boot that failed (the network was not up yet, S3 was away) is tried again from here.
        """
        try:
            self._follow_program()
            release = self._host.paths.current_release()
            if release is None or not self._host.paths.booted.exists():
                self._try_boot()
            else:
                self._boot_problem = ""
            if release is None:
                return
            if release != self._release:
                self._adopt(release)
            self._look()
            self._recover(release)
            self._end_lease()
        except AgentError as error:
            self._say_once(error.reason, hint=error.hint)
            self._problem = error.reason

    def deep(self) -> Tuple[bool, str]:
        """Whether the load balancer may send requests here, or why not.

        A host under maintenance may be ready, and must get none.
        """
        now = self._host.clock.now()
        mark = self._maintenance.mark(now)
        if mark is not None:
            return False, f"under maintenance for {mark.until - now:.0f} s more: {mark.why}"
        if self._settings is None:
            return False, self._obstacle() or self._boot_problem or "no release was applied yet"
        reports = [watch.report() for watch in self._watches]
        ready, reason = readiness(self._settings, reports, problem=self._obstacle(), now=now)
        return ready, reason if ready else self._with_boot(reason)

    def status(self) -> Dict[str, Any]:
        """The status document."""
        body = document(
            self._release,
            self._settings,
            [watch.report() for watch in self._watches],
            applied=self._applied,
            problem=self._obstacle(),
            now=self._host.clock.now(),
        )
        keys = {
            "count": self._ring.count,
            "synced_at": self._ring.synced_at,
            "problem": self._ring.problem,
        }
        reason = body["reason"] if body["ready_for"] else self._with_boot(body["reason"])
        mark = self._maintenance.mark(self._host.clock.now())
        away = asdict(mark) if mark else None
        if mark is not None and not reason:
            reason = f"under maintenance: {mark.why}"
        return {**body, "reason": reason, "keys": keys, "maintenance": away}

    def _with_boot(self, reason: str) -> str:
        """An engine that is down because the boot failed says little by itself."""
        if not self._boot_problem:
            return reason
        return self._boot_problem if self._release is None else f"{reason} ({self._boot_problem})"

    def _obstacle(self) -> str:
        """What keeps the host back beside its engines."""
        if self._problem:
            return self._problem
        if self._host.paths.journal.exists():
            return "a release is being applied"
        if not self._ring.loaded:
            return f"client keys are not loaded yet: {self._ring.problem or 'asking for them'}"
        return ""

    def _adopt(self, release: str) -> None:
        """Watch the engines of *release* from now on."""
        self._ended.set()
        host = self._host
        settings = AgentSettings.parse(read_json(host.paths.release(release) / "agent.json"))
        self._watches = tuple(self._watch(settings))
        self._settings, self._release = settings, release
        self._applied = _applied(host, release)
        self._containers, self._problem = None, ""
        self._ended = threading.Event()
        for watch in self._watches:
            self._spawn(self._keep_watching, watch, self._ended)
        host.events.emit("watching", release=release, replicas=len(settings.replicas))

    def _spawn(self, function: Callable[..., None], *arguments: object) -> None:
        threading.Thread(target=function, args=arguments, daemon=True).start()

    def _watch(self, settings: AgentSettings) -> List[Watch]:
        host, secret = self._host, hop.read(self._host.paths)
        return [
            Watch(
                replica,
                settings,
                docker=host.docker,
                engine=Engine(replica.port, settings.model, secret, host.clock, chat=settings.chat),
                clock=host.clock,
                events=host.events,
            )
            for replica in settings.replicas
        ]

    def _keep_watching(self, watch: Watch, ended: threading.Event) -> None:
        while not ended.is_set():
            try:
                self._step(watch)
            except Exception as error:  # a watch that ends would go unnoticed
                self._say_once(f"{type(error).__name__}: {error}")
            ended.wait(_TICK_S)

    def _step(self, watch: Watch) -> None:
        seen = self._containers
        if seen is not None:
            mark = self._maintenance.mark(self._host.clock.now())
            watch.step(seen.get(watch.container), away_since=mark.since if mark else None)

    def _look(self) -> None:
        settings = self._settings
        if settings is not None:
            names = [replica.container for replica in settings.replicas]
            self._containers = self._host.docker.containers(names)
            self._problem = ""

    def _try_boot(self) -> None:
        now = self._host.clock.monotonic()
        if now < self._next_boot:
            return
        self._next_boot = now + _RETRY_S
        try:
            boot(self._host, lock_wait_s=0.0)
        except Busy:
            self._boot_problem = "a release is being applied"
        except AgentError as error:
            self._say_once(error.reason, hint=error.hint)
            self._boot_problem = error.reason
        else:
            there = self._host.paths.current_release() is not None
            self._boot_problem = "" if there else "the fleet has no current release yet"

    def _recover(self, release: str) -> None:
        """An apply that was killed left its journal: bring up what ``current`` points to."""
        now = self._host.clock.monotonic()
        if not self._host.paths.journal.exists():
            self._journal_since = None
            return
        if self._journal_since is None:
            self._journal_since = now
        if now - self._journal_since < _RETRY_S:
            return
        self._journal_since = now
        try:
            Apply(self._host, restart_agent=False).release(release, fetch=False, lock_wait_s=0.0)
        except Busy:
            return

    def _end_lease(self) -> None:
        """Nobody ended the maintenance: whoever began it is gone, so the host returns by itself.

        The mark goes last: when AWS does not answer, the next turn tries again.
        """
        if not self._maintenance.ran_out(self._host.clock.now()):
            return
        try:
            self._host.cloud.enter_traffic(self._host.metadata.identity().instance_id)
        except AgentError as error:
            self._say_once(error.reason, hint=error.hint)
            return
        self._maintenance.end()
        self._host.events.emit("lease-ended", text="nobody ended the maintenance")

    def _follow_program(self) -> None:
        """Run the program that a release brought, in this very process."""
        paths = self._host.paths
        if _identity(paths.program) != self._program and not paths.journal.exists():
            words = [sys.executable, str(paths.program), "serve"]
            os.execv(sys.executable, words)  # noqa: S606 - ourselves

    def _say_once(self, reason: str, *, hint: str = "") -> None:
        """Trouble that lasts is said when it begins, not every second."""
        if reason != self._said:
            self._said = reason
            self._host.events.emit("trouble", reason=reason, hint=hint)

    def _sync_keys(self) -> None:
        while True:
            settings = self._settings
            secret = settings.keys_secret if settings else ""
            name = secret or f"{self._host.settings.secret_root}/client-keys"
            try:
                self._ring.sync(self._host.cloud, name, self._host.clock.now())
            except Exception as error:  # the last good copy stays in force
                self._say_once(f"{type(error).__name__}: {error}")
            self._host.clock.sleep(_KEYS_S)


def _identity(program: Path) -> Tuple[int, ...]:
    """What tells one host program from another, without reading it."""
    try:
        stat = program.stat()
    except OSError:
        return ()
    return (stat.st_ino, stat.st_mtime_ns, stat.st_size)


def _applied(host: Host, release: str) -> Mapping[str, float]:
    """The seconds of the apply that brought *release* here, when it was during this boot."""
    try:
        document_ = read_json(host.paths.waterfall)
    except AgentError:
        return {}
    phases: Mapping[str, float] = document_["phases"] if document_["release"] == release else {}
    return phases
