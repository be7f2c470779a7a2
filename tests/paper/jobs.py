"""Applying a release on a paper host: one at a time, to its end, whoever asked and is gone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.paper.host import PaperHost

PREPARE_S, STOP_S, START_S = 2.0, 3.0, 1.0


@dataclass(eq=False)
class Job:
    """One ``apply``, or one ``prepare``, which ends before it touches anything.

    ``code`` is None while it waits or works.
    """

    release: str
    restart: bool
    fetch: bool
    by: str
    ahead: bool = False
    away_since: float | None = None
    first: bool = False
    events: list[dict[str, Any]] = field(default_factory=list)
    code: int | None = None
    doing: str = "waits"


@dataclass(eq=False, repr=False)
class Jobs:
    """The host's lock, and who waits for it.

    A job checks and fetches, which touches nothing; then it stops the old engine and starts the
    new one. Nobody who is gone can stop it: only the power can.
    """

    host: PaperHost
    queue: list[Job] = field(default_factory=list)

    @property
    def busy(self) -> bool:
        """One works now."""
        return bool(self.queue)

    def add(
        self,
        release: str,
        *,
        by: str,
        restart: bool = False,
        fetch: bool = False,
        ahead: bool = False,
        away_since: float | None = None,
        first: bool = False,
    ) -> Job:
        """Begin it, behind those that wait already."""
        job = Job(release, restart, fetch, by, ahead, away_since, first)
        self.queue.append(job)
        if self.queue == [job]:
            self._begin(job)
        return job

    def cut(self) -> None:
        """The power is gone."""
        for job in self.queue:
            job.code = -1
        self.queue = []

    def _begin(self, job: Job) -> None:
        host = self.host
        if job.away_since is not None and not host.away_as_since(job.away_since):
            self._fail(job, "its maintenance ended before its engine was stopped")
            return
        if job.first and host.current not in (None, job.release):
            self._fail(job, f"it runs {host.current} by now")
            return
        if job.release not in host.kept:
            if not (job.fetch and host.world.has_release(job.release)):
                self._fail(job, f"release {job.release} is not on this host")
                return
            host.kept.add(job.release)
        job.doing = "prepares"
        self._then(PREPARE_S, self._prepared, job)

    def _prepared(self, job: Job) -> None:
        host = self.host
        if host.disk_full and job.release not in host.ready_to_run:
            self._fail(job, "write /var/lib/docker: no space left on device")
            return
        host.ready_to_run.add(job.release)
        if job.ahead:
            self._end(job, 0, event="prepared", release=job.release)
        elif not job.restart and self._as_wanted(job):
            self._end(job, 0, event="unchanged", release=job.release)
        else:
            old, host.swapping = host.current, True
            job.doing = "stops"
            host.stop_engine(job.by)
            self._then(STOP_S, self._stopped, job, old)

    def _as_wanted(self, job: Job) -> bool:
        host = self.host
        return host.current == job.release and not host.swapping and host.engine is not None

    def _stopped(self, job: Job, old: str | None) -> None:
        host = self.host
        wanted = old if host.docker_broken else job.release
        if wanted is not None:
            host.start_engine(wanted, job.by)
        job.doing = "starts"
        self._then(START_S, self._started, job)

    def _started(self, job: Job) -> None:
        self.host.swapping = False
        if self.host.docker_broken:
            self._fail(job, "docker compose up failed: cannot connect to the Docker daemon")
        else:
            self._end(job, 0, event="applied", release=job.release, phases={"stop": STOP_S})

    def _then(self, seconds: float, do: Any, job: Job, *more: Any) -> None:
        self.host.world.time.after(seconds, self._go_on, do, job, more)

    def _go_on(self, do: Any, job: Job, more: tuple[Any, ...]) -> None:
        if job.code is None:  # the power may be gone
            do(job, *more)

    def _fail(self, job: Job, reason: str) -> None:
        self._end(job, 1, event="failed", reason=reason, hint="", log=[])

    def _end(self, job: Job, code: int, **event: Any) -> None:
        self.host.booted = self.host.booted or (code == 0 and not job.ahead)
        job.events.append(event)
        job.code = code
        self.queue.remove(job)
        if self.queue:
            self._begin(self.queue[0])
