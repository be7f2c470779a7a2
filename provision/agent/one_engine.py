"""One engine of a host with several, changed while the others serve.

Its container alone is stopped and started, from a release that need not be the host's ``current``:
while a rollout goes from engine to engine a host runs two. ``current``, the front and this program
stay as they are until the whole release is applied.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Optional

from provision.agent.apply import LOCK_WAIT_S, prune
from provision.agent.containers import Containers
from provision.agent.docker import ENGINE_PREFIX
from provision.agent.errors import AgentError, Stopped
from provision.agent.host import Host
from provision.agent.lock import held
from provision.agent.maintenance import Maintenance
from provision.agent.manifest import Manifest, read
from provision.agent.prepare import Prepare
from provision.agent.settings import Replica
from provision.agent.signals import interruptible
from provision.agent.system import read_json, write_json


class OneEngine:
    """The engine *index* of this host."""

    def __init__(self, host: Host, index: int) -> None:
        self._host, self._index = host, index
        self._paths = host.paths
        self._name = f"{ENGINE_PREFIX}{index}"
        self._journal = host.paths.journal_of(index)
        self._prepare = Prepare(host)
        self._containers = Containers(host.paths, host.docker, host.clock, host.events)

    def apply(
        self,
        release_id: str,
        *,
        fetch: bool,
        recreate: bool = False,
        away_since: Optional[float] = None,
        lock_wait_s: float = LOCK_WAIT_S,
    ) -> bool:
        """Start the engine from *release_id*; False when it runs from there already.

        *recreate* starts it anew even then. With *away_since* it is not stopped unless the front
        leaves it out since then. Raises AgentError, Stopped or Busy; until its container is
        stopped, nothing was touched, and afterwards the engine goes back.
        """
        host = self._host
        with held(self._paths.lock, host.clock, host.events, wait_s=lock_wait_s):
            manifest = self._prepare.folder(release_id, fetch=fetch)
            port = self._like_the_host(release_id).port
            recreate = self._prepare.everything(manifest, [port]) or recreate
            if not recreate and not self._journal.exists() and self._source() == release_id:
                host.events.emit("unchanged", release=release_id, replica=self._index)
                return False
            mark = Maintenance(self._paths.maintenance_of(self._index))
            mark.require(away_since, now=host.clock.now())  # it would end under the lock as well
            self._swap(manifest, before=self._source(running=False))
            prune(host)
            host.events.emit(
                "applied", release=release_id, replica=self._index, phases=host.events.phases
            )
            return True

    def finish(self) -> None:
        """An apply of this engine was killed: what it was before, or what it should become.

        Raises AgentError, Busy when somebody is at work.
        """
        host = self._host
        with held(self._paths.lock, host.clock, host.events, wait_s=0.0):
            left = self._left()
            if left.get("to") is not None and self._source() == left["to"]:
                self._journal.unlink()
                return
            release = self._there(left.get("from")) or self._paths.current_release()
            if release is None:
                raise AgentError(
                    f"nobody knows what replica {self._index} shall run", hint="apply a release"
                )
            self._swap(read(self._paths.release(release)), before=release)
            host.events.emit("finished", release=release, replica=self._index)

    def _like_the_host(self, release_id: str) -> Replica:
        """The engine in *release_id*, if that shares out the host as the current one does."""
        current = self._paths.current_release()
        if current is None or self._paths.journal.exists():
            raise AgentError(
                "no whole release runs here yet", hint="apply the release without --replica first"
            )
        wanted, now = self._prepare.settings(release_id), self._prepare.settings(current)
        if wanted.replicas != now.replicas or wanted.gpus != now.gpus:
            raise AgentError(
                f"{release_id} has {len(wanted.replicas)} engine(s) on {wanted.gpus} GPU(s),"
                f" {current} has {len(now.replicas)} on {now.gpus}: they can't run side by side",
                hint="apply the release without --replica",
            )
        for replica in wanted.replicas:
            if replica.index == self._index:
                return replica
        raise AgentError(
            f"there is no replica {self._index}", hint=f"0 to {len(wanted.replicas) - 1}"
        )

    def _swap(self, manifest: Manifest, *, before: Optional[str]) -> None:
        with interruptible() as signals:
            try:
                write_json(self._journal, {"from": before, "to": manifest.release})
                self._bring_up(manifest.release, manifest.compose_grace_s)
            except (AgentError, Stopped, OSError) as error:
                signals.ignore()
                self._go_back(before, manifest, error)
                raise
            self._journal.unlink()

    def _bring_up(self, release_id: str, grace_s: float) -> None:
        events = self._host.events
        with events.phase("stop"):
            self._containers.stop_one(self._name, grace_s)
        with events.phase("start"):
            self._host.docker.up(self._paths.release(release_id), only=f"engine-{self._index}")

    def _go_back(self, before: Optional[str], failed: Manifest, error: BaseException) -> None:
        reason = getattr(error, "reason", str(error) or type(error).__name__)
        events, to = self._host.events, self._there(before)
        events.emit("going-back", release=failed.release, to=to, replica=self._index, reason=reason)
        try:
            if to is not None:
                self._bring_up(to, failed.compose_grace_s)
            else:
                self._containers.stop_one(self._name, failed.compose_grace_s)
            self._journal.unlink()
        except (AgentError, OSError) as problem:  # the agent tries again: the journal is there
            events.emit("stuck", replica=self._index, reason=f"going back failed: {problem}")

    def _source(self, *, running: bool = True) -> Optional[str]:
        """The release from which the engine's container was started, None without any."""
        container = self._host.docker.containers([self._name]).get(self._name)
        if container is None or container.release_folder is None:
            return None
        return Path(container.release_folder).name if container.running or not running else None

    def _there(self, release_id: Optional[str]) -> Optional[str]:
        if release_id is None or not self._paths.release(release_id).is_dir():
            return None
        return release_id

    def _left(self) -> Dict[str, Any]:
        """What the journal says; nothing when it can't be read."""
        try:
            left: Dict[str, Any] = read_json(self._journal)
        except AgentError:
            return {}
        return left if isinstance(left, dict) else {}
