"""The cache is there: the volume claimed and mounted, or a plain folder where none is described."""

from __future__ import annotations

from provision.agent.host import Host
from provision.agent.mount import Mount
from provision.agent.volume import Claim


def ensure(host: Host) -> bool:
    """Make the cache usable; True when it was mounted now. Raises AgentError."""
    mount = Mount(host.paths, host.run, host.clock, host.events)
    mounted_now = False
    if host.settings.cache is not None and not mount.mounted:
        identity = host.metadata.identity()
        claim = Claim(host.cloud, host.settings, identity, host.clock, host.events)
        mount.mount(claim.volume_id())
        mounted_now = True
    (host.paths.cache / "models").mkdir(parents=True, exist_ok=True)
    (host.paths.cache / "engine-cache").mkdir(exist_ok=True)
    return mounted_now
