"""The agent: watches the engines, answers for them, and brings a host without a release up."""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any, Callable, Dict, Mapping, Optional, Tuple

from provision.agent.errors import AgentError
from provision.agent.hearing import Ears
from provision.agent.host import Host
from provision.agent.keys import KeyRing
from provision.agent.leaving import POLL_S, Leaving
from provision.agent.maintenance import Maintenance, Mark
from provision.agent.pages import Pages
from provision.agent.replacement import POLL_S as JUDGE_S
from provision.agent.replacement import Replacement
from provision.agent.replicas import TICK_S, Replicas
from provision.agent.report import document, may_serve
from provision.agent.rescue import Rescue
from provision.agent.server import in_background, key_server, status_server
from provision.agent.system import read_json
from provision.agent.telemetry import Ledger
from provision.agent.telling import Telling
from provision.agent.traffic import keep_counting, listen

_KEYS_S = 20.0


class Agent:
    """State shared by the agent's threads. Each attribute is written by one thread, and whole."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._ring = KeyRing(host.paths.keys)
        self._maintenance = Maintenance(host.paths.maintenance)
        self._leaving = Leaving(host, lambda: [one.metrics() for one in self._replicas.engines])
        self._rescue = Rescue(host, self._maintenance, self._say_once)
        self._replacement = Replacement(host)
        ears = Ears(Ledger())
        self._replicas = Replicas(
            host, mark=self._mark, hear=ears.hear, spawn=self._spawn, say=self._say_once
        )
        self._telling = Telling(host, self._replicas, ears, away=self._away)
        self.pages = Pages(
            host, self._replicas, self._ring, self._telling, deep=self.deep, away=self._away
        )
        self._problem = ""
        self._said = ""
        self._applied: Mapping[str, float] = {}
        self._program = _identity(host.paths.program)

    def run(self) -> None:
        """Serve until the process is ended."""
        in_background(status_server(self.pages.health, self.status, self.pages.text))
        in_background(key_server(self._ring, self._host.clock.now, self._host.paths.socket))
        self._spawn(self._sync_keys)
        self._spawn(self._say_goodbye)
        self._spawn(self._judge)
        self._spawn(self._count_answers)
        self._spawn(self._telling.watch_gpus)
        self._spawn(self._telling.run)
        while True:
            self.tick()
            self._host.clock.sleep(TICK_S)

    def tick(self) -> None:
        """One turn of the main thread: follow ``current``, look at Docker, come to the rescue.

        A boot that failed (the network was not up yet, S3 was away) is tried again from here.
        """
        try:
            self._follow_program()
            release = self._host.paths.current_release()
            leaving = self._leaving.farewell is not None
            if leaving:
                self._rescue.boot_problem = ""
            elif release is None or not self._host.paths.booted.exists():
                self._rescue.boot()
            else:
                self._rescue.boot_problem = ""
            if release is None:
                return
            if release != self._replicas.release:
                self._replicas.adopt(release)
                self._applied = _applied(self._host, release)
            self._replicas.look()
            self._problem = ""
            if not leaving:  # nothing is started any more, and nothing comes back into traffic
                self._rescue.apply(release)
                self._rescue.engines(one.index for one in self._replicas.watches)
                self._rescue.end_lease()
        except AgentError as error:
            self._say_once(error.reason, hint=error.hint)
            self._problem = error.reason

    def deep(self) -> Tuple[bool, str]:
        """Whether the load balancer may send requests here, or why not.

        A host under maintenance may be ready, and must get none.
        """
        now = self._host.clock.now()
        if self._leaving.farewell is not None:
            return False, self._leaving.farewell.words(now)
        mark = self._maintenance.mark(now)
        if mark is not None:
            return False, f"under maintenance for {mark.until - now:.0f} s more: {mark.why}"
        settings = self._replicas.settings
        if settings is None:
            why = self._obstacle() or self._rescue.boot_problem
            return False, why or "no release was applied yet"
        self._replicas.leave_out()  # first: whoever is sent here meets only those that are ready
        ready, reason = may_serve(
            self._replicas.reports(),
            leaves_out=settings.leaves_out,
            problem=self._obstacle(),
            now=now,
        )
        return ready, reason if ready else self._with_boot(reason)

    def status(self) -> Dict[str, Any]:
        """The status document."""
        self._replicas.leave_out()  # whoever asks may have ended a maintenance just now
        body = document(
            self._replicas.release,
            self._replicas.settings,
            self._replicas.reports(),
            applied=self._applied,
            out=self._replicas.out,
            problem=self._obstacle(),
            now=self._host.clock.now(),
        )
        keys = {
            "count": self._ring.count,
            "synced_at": self._ring.synced_at,
            "problem": self._ring.problem,
        }
        reason = body["reason"] if body["ready_for"] else self._with_boot(body["reason"])
        farewell, mark = self._leaving.farewell, self._mark()
        if farewell is not None:
            reason, body["ready_for"] = farewell.words(self._host.clock.now()), None
        elif self._replacement.reason:
            reason = f"{reason}; beyond repair: {self._replacement.reason}"
        elif mark is not None and not reason:
            reason = f"under maintenance: {mark.why}"
        return {
            **body,
            "reason": reason,
            "keys": keys,
            "maintenance": asdict(mark) if mark else None,
            "leaving": asdict(farewell) if farewell else None,
            "rebalance": self._leaving.rebalance,
            "beyond_repair": self._replacement.reason or None,
        }

    def _mark(self) -> Optional[Mark]:
        """Since when and until when the host is away on purpose; a farewell outlives any lease."""
        now = self._host.clock.now()
        return self._leaving.mark(now) or self._maintenance.mark(now)

    def _away(self) -> bool:
        """Nobody is to miss this host: it is away on purpose, or a release is being applied."""
        return self._mark() is not None or self._host.paths.journal.exists()

    def _with_boot(self, reason: str) -> str:
        """An engine that is down because the boot failed says little by itself."""
        problem = self._rescue.boot_problem
        if not problem:
            return reason
        return problem if self._replicas.release is None else f"{reason} ({problem})"

    def _obstacle(self) -> str:
        """What keeps the host back beside its engines."""
        if self._problem:
            return self._problem
        if self._host.paths.journal.exists():
            return "a release is being applied"
        if not self._ring.loaded:
            return f"client keys are not loaded yet: {self._ring.problem or 'asking for them'}"
        return ""

    def _spawn(self, function: Callable[..., None], *arguments: object) -> None:
        threading.Thread(target=function, args=arguments, daemon=True).start()

    def _count_answers(self) -> None:
        try:
            keep_counting(listen(self._host.paths), self._telling.traffic)
        except AgentError as error:
            self._say_once(error.reason, hint=error.hint)

    def _say_goodbye(self) -> None:
        while True:
            pause_s = POLL_S
            try:
                pause_s = self._leaving.turn()
            except Exception as error:  # a farewell that ends would cost clients their answers
                self._say_once(f"{type(error).__name__}: {error}")
            self._host.clock.sleep(pause_s)

    def _judge(self) -> None:
        while True:
            self._host.clock.sleep(JUDGE_S)
            try:
                self.judge()
            except Exception as error:  # AWS is away, the disk is full: the next look may succeed
                self._say_once(f"{type(error).__name__}: {error}")

    def judge(self) -> None:
        """Look whether this host is beyond repair. Raises AgentError when AWS can't be told."""
        release, settings = self._replicas.release, self._replicas.settings
        if release is None or settings is None:
            return
        phases = [watch.report().state.phase for watch in self._replicas.watches]
        busy = self._host.paths.journal.exists() or self._replicas.worked_on()
        away = busy or self._mark() is not None or bool(self._problem)
        self._replacement.turn(release, settings, phases, away=away)

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
            settings = self._replicas.settings
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
