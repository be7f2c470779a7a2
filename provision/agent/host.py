"""Everything that a command needs to reach on this host, in one value."""

from __future__ import annotations

from dataclasses import dataclass

from provision.agent.cloud import Cloud
from provision.agent.docker import Docker
from provision.agent.events import Clock, Events
from provision.agent.metadata import Metadata
from provision.agent.paths import Paths
from provision.agent.settings import HostSettings
from provision.agent.system import Run


@dataclass(frozen=True)
class Host:
    """The doors to this host and to AWS."""

    paths: Paths
    settings: HostSettings
    cloud: Cloud
    metadata: Metadata
    run: Run
    docker: Docker
    clock: Clock
    events: Events
