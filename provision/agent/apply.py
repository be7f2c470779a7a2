"""Apply a release: everything that can fail beforehand is done beforehand; then a short swap.

Until the swap begins, the release that runs is not touched. When the swap fails, or the operator
ends it, the host goes back. When the process is killed in the middle, the journal says so, and the
next apply (the agent's own, if nobody else comes) finishes or goes back.
"""

from __future__ import annotations

import shutil
import socket
from pathlib import Path
from typing import List, Optional

from provision.agent import cache, hop, images, units, weights
from provision.agent.containers import Containers
from provision.agent.errors import AgentError, Stopped
from provision.agent.events import Percent
from provision.agent.fetch import fetch_release
from provision.agent.host import Host
from provision.agent.lock import held
from provision.agent.manifest import Manifest, intact, verified
from provision.agent.settings import AgentSettings
from provision.agent.signals import interruptible
from provision.agent.system import read_json, write_atomic, write_json

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

    def release(
        self,
        release_id: str,
        *,
        fetch: bool,
        recreate: bool = False,
        lock_wait_s: float = LOCK_WAIT_S,
    ) -> bool:
        """Apply *release_id*; False when there was nothing to do.

        With *fetch* its folder is taken from the bucket when it is not here whole. *recreate*
        starts the containers anew even when they are as wanted. Raises AgentError, Stopped or Busy.
        """
        with held(self._paths.lock, self._host.clock, self._events, wait_s=lock_wait_s):
            return self.while_held(release_id, fetch=fetch, recreate=recreate)

    def while_held(self, release_id: str, *, fetch: bool, recreate: bool = False) -> bool:
        """:meth:`release` for whoever holds the host's lock already."""
        manifest = self._folder(release_id, fetch=fetch)
        mounted_now = self._prepare(manifest)
        if not (recreate or mounted_now) and self._as_wanted(manifest):
            self._paths.booted.touch()
            self._events.emit("unchanged", release=release_id)
            return False
        self._swap(manifest)
        self._prune()
        self._paths.booted.touch()
        self._events.emit("applied", release=release_id, phases=self._events.phases)
        return True

    def _folder(self, release_id: str, *, fetch: bool) -> Manifest:
        folder = self._paths.release(release_id)
        with self._events.phase("verify"):
            if fetch and not intact(folder, release_id):
                fetch_release(self._host.cloud, self._paths, release_id)
            if not folder.is_dir():
                raise AgentError(
                    f"release {release_id} is not on this host", hint="use --fetch, or deploy again"
                )
            return verified(folder, release_id)

    def _prepare(self, manifest: Manifest) -> bool:
        """Everything before the swap; True when the cache was mounted now."""
        host = self._host
        hop.ensure(self._paths)
        with self._events.phase("cache"):
            mounted_now = cache.ensure(host)
        with self._events.phase("weights"):
            self._weights(manifest)
        with self._events.phase("pull"):
            images.ensure(host.docker, host.cloud, manifest.images, scratch=self._paths.run)
        host.docker.compose()
        self._ports_free(manifest)
        return mounted_now

    def _weights(self, manifest: Manifest) -> None:
        if not manifest.model_folder:
            return
        folder = self._paths.cache / manifest.model_folder
        if manifest.weights_prefix:
            report = Percent(self._events)
            weights.ensure(self._host.cloud, folder, manifest.weights_prefix, progress=report)
        elif not folder.is_dir():
            raise AgentError(f"the model's folder {folder} is not there", hint="seed the weights")

    def _ports_free(self, manifest: Manifest) -> None:
        """Raise AgentError when somebody else listens on a port that the release needs."""
        own = set(self._host.docker.names())
        for port in [FRONT_PORT, *self._engine_ports(manifest)]:
            if _bindable(port):
                continue
            holder = self._host.docker.publishing(port)
            if holder in own:
                continue
            raise AgentError(
                f"port {port} is taken by {f'container {holder}' if holder else 'another process'}",
                hint=f"`ss -ltnp 'sport = :{port}'` shows it; end it and apply again",
            )

    def _engine_ports(self, manifest: Manifest) -> List[int]:
        return [replica.port for replica in self._agent_settings(manifest).replicas]

    def _agent_settings(self, manifest: Manifest) -> AgentSettings:
        return AgentSettings.parse(read_json(self._paths.release(manifest.release) / "agent.json"))

    def _as_wanted(self, manifest: Manifest) -> bool:
        """The release is current, whole, and its containers run."""
        folder = self._paths.release(manifest.release)
        return (
            self._paths.current_release() == manifest.release
            and not self._paths.journal.exists()
            and not units.changed(self._paths, folder)
            and not self._program_differs(folder)
            and self._containers.run_from(folder, self._agent_settings(manifest).replicas)
        )

    def _swap(self, manifest: Manifest) -> None:
        old = self._paths.current_release()
        with interruptible() as signals:
            try:
                write_json(self._paths.journal, {"from": old, "to": manifest.release})
                self._bring_up(manifest.release, manifest.compose_grace_s)
                self._note_waterfall(manifest.release)
                if self._restart_agent:
                    units.restart_agent(self._host.run)
            except (AgentError, Stopped, OSError) as error:
                signals.ignore()
                self._go_back(old, manifest, error)
                raise
            self._paths.journal.unlink()

    def _note_waterfall(self, release_id: str) -> None:
        write_json(self._paths.waterfall, {"release": release_id, "phases": self._events.phases})

    def _bring_up(self, release_id: str, grace_s: float) -> None:
        folder = self._paths.release(release_id)
        with self._events.phase("stop"):
            self._containers.stop(grace_s)
        with self._events.phase("start"):
            self._install_program(folder)
            units.install(self._paths, self._host.run, units.changed(self._paths, folder))
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

    def _prune(self) -> None:
        """Keep the newest releases, and always the current one."""
        current = self._paths.current_release()
        current_folder = self._paths.release(current) if current else None
        if current_folder is not None:
            current_folder.touch()
        folders = sorted(
            (path for path in self._paths.releases.iterdir() if path.is_dir()),
            key=lambda path: path.stat().st_mtime,
            reverse=True,
        )
        for folder in folders[KEPT_RELEASES:]:
            shutil.rmtree(folder)


def _bindable(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))  # noqa: S104 - only asks whether it is free
        except OSError:
            return False
        return True
