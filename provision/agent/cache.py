"""The cache is there: the volume claimed and mounted, or a plain folder where none is described."""

from __future__ import annotations

from provision.agent.host import Host
from provision.agent.lock import held
from provision.agent.mount import Mount
from provision.agent.volume import Claim

_LOCK_WAIT_S = 900.0


def ensure(host: Host) -> bool:
    """Make the cache usable; True when it was mounted now. Raises AgentError.

    Boot, agent and operator may all want it at once: one of them claims a volume, not each its own.
    """
    with held(host.paths.run / "cache.lock", host.clock, host.events, wait_s=_LOCK_WAIT_S):
        mounted_now = host.settings.cache is not None and _mount(host)
        (host.paths.cache / "models").mkdir(parents=True, exist_ok=True)
        (host.paths.cache / "engine-cache").mkdir(exist_ok=True)
    return mounted_now


def _mount(host: Host) -> bool:
    mount = Mount(host.paths, host.run, host.clock, host.events)
    if mount.mounted:
        return False
    identity = host.metadata.identity()
    claim = Claim(host.cloud, host.settings, identity, host.clock, host.events)
    mount.mount(claim.volume_id())
    return True
