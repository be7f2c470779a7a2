"""The release's containers as a whole: are they as wanted, and how they are stopped."""

from __future__ import annotations

import http.client
from pathlib import Path
from typing import Collection, List, Sequence

from provision.agent.docker import ENGINE_PREFIX, FRONT, Container, Docker
from provision.agent.events import Clock, Events
from provision.agent.paths import Paths
from provision.agent.settings import Replica
from provision.agent.system import write_atomic

_KILL_GRACE_S = 1.0
_LOG_LINES = 2000
_ENGINE_PORT_BASE = 8001
_HEALTH_S = 5.0


class Containers:
    """All llm-fleet containers of this host."""

    def __init__(self, paths: Paths, docker: Docker, clock: Clock, events: Events) -> None:
        self._paths = paths
        self._docker = docker
        self._clock = clock
        self._events = events

    def run_from(self, folder: Path, replicas: Sequence[Replica]) -> bool:
        """Front and every replica run, started from the release in *folder*."""
        names = [FRONT, *(replica.container for replica in replicas)]
        found = self._docker.containers(names)
        return all(
            name in found and found[name].running and _from(found[name], folder) for name in names
        )

    def engines_from(self, folder: Path) -> List[str]:
        """Engines that run, started from the release in *folder*."""
        names = [name for name in self._docker.names() if name.startswith(ENGINE_PREFIX)]
        found = self._docker.containers(names) if names else {}
        return [name for name, one in found.items() if one.running and _from(one, folder)]

    def stop(self, grace_s: float, *, keep: Collection[str] = ()) -> None:
        """Stop and remove every container: the front first, so that it finishes what it carries."""
        names = [name for name in self._docker.names() if name not in keep]
        for name in sorted(names, key=lambda name: name != FRONT):
            self.stop_one(name, grace_s)

    def stop_one(self, name: str, grace_s: float) -> None:
        """Stop and remove a container, if it is there.

        An engine that never became healthy ignores SIGTERM: it is killed instead of asked.
        """
        container = self._docker.containers([name]).get(name)
        if container is None:
            return
        if container.running:
            self._docker.stop(name, grace_s=self._grace(name, grace_s))
        if name.startswith(ENGINE_PREFIX):
            self._keep_log(container)
        self._docker.remove(name)

    def _grace(self, name: str, grace_s: float) -> float:
        if not name.startswith(ENGINE_PREFIX) or engine_answers(port_of(name)):
            return grace_s
        self._events.emit("killing", container=name, reason="it never became healthy")
        return _KILL_GRACE_S

    def _keep_log(self, container: Container) -> None:
        lines = self._docker.logs(container.name, tail=_LOG_LINES)
        text = "\n".join(lines) + "\n"
        write_atomic(self._paths.logs / f"{container.name}.log", text.encode(), mode=0o640)


def port_of(name: str) -> int:
    """The loopback port of an engine container, from its name."""
    return _ENGINE_PORT_BASE + int(name[len(ENGINE_PREFIX) :])


def engine_answers(port: int) -> bool:
    """The engine's server accepts requests, so it heeds SIGTERM."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_HEALTH_S)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _from(container: Container, folder: Path) -> bool:
    started_from = container.release_folder
    return started_from is not None and Path(started_from).name == folder.name
