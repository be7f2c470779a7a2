"""Everything that an apply needs and that can fail, before anything that runs is touched."""

from __future__ import annotations

import socket
from typing import List, Sequence

from provision.agent import cache, hop, images, weights
from provision.agent.errors import AgentError
from provision.agent.events import Percent
from provision.agent.fetch import fetch_release
from provision.agent.host import Host
from provision.agent.manifest import Manifest, intact, verified
from provision.agent.settings import AgentSettings
from provision.agent.system import read_json


class Prepare:
    """Brings what a release consists of onto this host."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._paths = host.paths

    def folder(self, release_id: str, *, fetch: bool) -> Manifest:
        """The release's folder, whole; with *fetch* from the bucket when it is not here so."""
        folder = self._paths.release(release_id)
        with self._host.events.phase("verify"):
            if fetch and not intact(folder, release_id):
                fetch_release(self._host.cloud, self._paths, release_id)
            if not folder.is_dir():
                raise AgentError(
                    f"release {release_id} is not on this host", hint="use --fetch, or deploy again"
                )
            return verified(folder, release_id)

    def everything(self, manifest: Manifest, ports: Sequence[int]) -> bool:
        """Cache, weights, images, and free *ports*; True when the cache was mounted now."""
        host = self._host
        hop.ensure(self._paths)
        with host.events.phase("cache"):
            mounted_now = cache.ensure(host)
        with host.events.phase("weights"):
            self._weights(manifest)
        with host.events.phase("pull"):
            images.ensure(host.docker, host.cloud, manifest.images, scratch=self._paths.run)
        host.docker.compose()
        self._ports_free(ports)
        return mounted_now

    def settings(self, release_id: str) -> AgentSettings:
        """What the release's agent is told."""
        return AgentSettings.parse(read_json(self._paths.release(release_id) / "agent.json"))

    def _weights(self, manifest: Manifest) -> None:
        if not manifest.model_folder:
            return
        folder = self._paths.cache / manifest.model_folder
        if manifest.weights_prefix:
            report = Percent(self._host.events)
            weights.ensure(self._host.cloud, folder, manifest.weights_prefix, progress=report)
        elif not folder.is_dir():
            raise AgentError(f"the model's folder {folder} is not there", hint="seed the weights")

    def _ports_free(self, ports: Sequence[int]) -> None:
        """Raise AgentError when somebody else listens on a port that the release needs."""
        own: List[str] = self._host.docker.names()
        for port in ports:
            if _bindable(port):
                continue
            holder = self._host.docker.publishing(port)
            if holder in own:
                continue
            raise AgentError(
                f"port {port} is taken by {f'container {holder}' if holder else 'another process'}",
                hint=f"`ss -ltnp 'sport = :{port}'` shows it; end it and apply again",
            )


def _bindable(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))  # noqa: S104 - only asks whether it is free
        except OSError:
            return False
        return True
