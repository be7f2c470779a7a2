"""Apply a release: everything that can fail beforehand is done beforehand; then a short swap.

Until the swap begins, the release that runs is not touched. When the swap fails, or the operator
ends it, the host goes back. When the process is killed in the middle, the journal says so, and the
next apply (the agent's own, if nobody else comes) finishes or goes back.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import List, Optional

from provision.agent import units
from provision.agent.containers import Containers
from provision.agent.errors import AgentError, Stopped
from provision.agent.host import Host
from provision.agent.lock import held
from provision.agent.maintenance import Maintenance
from provision.agent.manifest import Manifest
from provision.agent.prepare import Prepare
from provision.agent.signals import interruptible
from provision.agent.system import write_atomic, write_json

FRONT_PORT = 8000
KEPT_RELEASES = 5
LOCK_WAIT_S = 900.0


class Apply:
    """One release, brought onto this host."""

    def __init__(self, host: Host, *, restart_agent: bool = True) -> None:
        self._host = host
        self._paths = host.paths
        self._events = host.events
        self._restart_agent = restart_agent
        self._containers = Containers(host.paths, host.docker, host.clock, host.events)
        self._prepare = Prepare(host)

    def release(
        self,
        release_id: str,
        *,
        fetch: bool,
        recreate: bool = False,
        first: bool = False,
        away_since: Optional[float] = None,
        lock_wait_s: float = LOCK_WAIT_S,
    ) -> bool:
        """Apply *release_id*; False when there was nothing to do.

        With *fetch* its folder is taken from the bucket when it is not here whole. *recreate*
        starts the containers anew even when they are as wanted. With *first* nothing is done where
        another release runs, with *away_since* unless the host is away since then; nobody changes
        that while the lock is held. Raises AgentError, Stopped or Busy.
        """
        with held(self._paths.lock, self._host.clock, self._events, wait_s=lock_wait_s):
            Maintenance(self._paths.maintenance).require(away_since)
            if first:
                self._refuse_another(release_id)
            return self.while_held(release_id, fetch=fetch, recreate=recreate)

    def prepare(self, release_id: str, *, fetch: bool) -> None:
        """Bring everything here that *release_id* needs, while what runs goes on.

        Raises AgentError, Stopped or Busy.
        """
        with held(self._paths.lock, self._host.clock, self._events, wait_s=LOCK_WAIT_S):
            manifest = self._prepare.folder(release_id, fetch=fetch)
            self._prepare.everything(manifest, self._ports(release_id))
        self._events.emit("prepared", release=release_id, phases=self._events.phases)

    def while_held(self, release_id: str, *, fetch: bool, recreate: bool = False) -> bool:
        """:meth:`release` for whoever holds the host's lock already."""
        manifest = self._prepare.folder(release_id, fetch=fetch)
        mounted_now = self._prepare.everything(manifest, self._ports(release_id))
        recreate = recreate or mounted_now
        if not recreate and self._as_wanted(manifest):
            self._paths.booted.touch()
            self._events.emit("unchanged", release=release_id)
            return False
        self._swap(manifest, recreate=recreate)
        prune(self._host)
        self._paths.booted.touch()
        self._events.emit("applied", release=release_id, phases=self._events.phases)
        return True

    def _refuse_another(self, release_id: str) -> None:
        """A host that ran nothing when somebody looked may have booted, and serve."""
        current = self._paths.current_release()
        if current not in (None, release_id):
            raise AgentError(
                f"it runs {current} by now, and may be in traffic: its engine was left alone",
                hint="it took that when it booted; run the same command again",
            )

    def _ports(self, release_id: str) -> List[int]:
        replicas = self._prepare.settings(release_id).replicas
        return [FRONT_PORT, *(replica.port for replica in replicas)]

    def _as_wanted(self, manifest: Manifest) -> bool:
        """The release is current, whole, and its containers run."""
        folder = self._paths.release(manifest.release)
        return (
            self._paths.current_release() == manifest.release
            and not self._paths.journal.exists()
            and not self._paths.journals_of_engines()
            and not units.changed(self._paths, folder)
            and not self._program_differs(folder)
            and self._containers.run_from(folder, self._prepare.settings(manifest.release).replicas)
        )

    def _swap(self, manifest: Manifest, *, recreate: bool) -> None:
        old = self._paths.current_release()
        with interruptible() as signals:
            try:
                write_json(self._paths.journal, {"from": old, "to": manifest.release})
                self._bring_up(manifest.release, manifest.compose_grace_s, recreate=recreate)
                self._note_waterfall(manifest.release)
                if self._restart_agent:
                    units.restart_agent(self._host.run)
            except (AgentError, Stopped, OSError) as error:
                signals.ignore()
                self._go_back(old, manifest, error)
                raise
            for journal in self._paths.journals_of_engines():
                journal.unlink()  # whatever was half done there is done now
            self._paths.journal.unlink()

    def _note_waterfall(self, release_id: str) -> None:
        write_json(self._paths.waterfall, {"release": release_id, "phases": self._events.phases})

    def _bring_up(self, release_id: str, grace_s: float, *, recreate: bool = False) -> None:
        """Start the release. Engines that run from it stay, unless it wants other units."""
        folder = self._paths.release(release_id)
        changed = units.changed(self._paths, folder)
        kept = [] if recreate or changed else self._containers.engines_from(folder)
        with self._events.phase("stop"):
            self._containers.stop(grace_s, keep=kept)
        with self._events.phase("start"):
            self._install_program(folder)
            units.install(self._paths, self._host.run, changed)
            self._point_current_to(release_id)
            self._host.docker.up(folder)

    def _go_back(self, old: Optional[str], failed: Manifest, error: BaseException) -> None:
        """Bring the old release up again; what can't be undone is said, not hidden."""
        reason = getattr(error, "reason", str(error) or type(error).__name__)
        self._events.emit("going-back", release=failed.release, to=old, reason=reason)
        try:
            if old is not None and old != failed.release and self._paths.release(old).is_dir():
                self._bring_up(old, failed.compose_grace_s)
                if self._restart_agent:
                    units.restart_agent(self._host.run)
            elif old is None:
                self._containers.stop(failed.compose_grace_s)
                self._paths.current.unlink(missing_ok=True)
            self._paths.journal.unlink(missing_ok=True)
        except (AgentError, OSError) as problem:
            self._events.emit("stuck", reason=f"going back failed as well: {problem}")

    def _install_program(self, folder: Path) -> None:
        if self._program_differs(folder):
            write_atomic(self._paths.program, (folder / "host.pyz").read_bytes(), mode=0o755)

    def _program_differs(self, folder: Path) -> bool:
        source, installed = folder / "host.pyz", self._paths.program
        if not source.is_file():
            return False
        return not installed.is_file() or installed.read_bytes() != source.read_bytes()

    def _point_current_to(self, release_id: str) -> None:
        link = self._paths.opt / ".current.new"
        link.unlink(missing_ok=True)
        link.symlink_to(Path("releases") / release_id)
        link.replace(self._paths.current)


def prune(host: Host) -> None:
    """Keep the newest releases, and always the current one and those that engines run from."""
    current = host.paths.current_release()
    if current is not None:
        host.paths.release(current).touch()
    found = host.docker.containers(host.docker.names()).values()
    used = {Path(one.release_folder).name for one in found if one.release_folder}
    folders = sorted(
        (path for path in host.paths.releases.iterdir() if path.is_dir()),
        key=lambda path: path.stat().st_mtime,
        reverse=True,
    )
    for folder in folders[KEPT_RELEASES:]:
        if folder.name not in used:
            shutil.rmtree(folder)
