"""What a host does on every boot, touched by nobody: show its key, take the current release."""

from __future__ import annotations

from typing import Optional

from provision.agent import cache
from provision.agent.apply import LOCK_WAIT_S, Apply
from provision.agent.cloud import current_release
from provision.agent.errors import AgentError, CloudUnreachable
from provision.agent.host import Host
from provision.agent.lock import held
from provision.agent.maintenance import Maintenance

_SET_UP_S = 1800.0


def boot(host: Host, *, lock_wait_s: float = LOCK_WAIT_S) -> bool:
    """Publish the host key, mount the cache, apply the fleet's current release.

    A host that no operator ever touched may lack what `fab setup` installs: it sets itself up.
    True when a release was applied now. Without a release there is nothing to apply yet: the agent
    asks again (the host stays, unhealthy). The agent is not restarted: systemd starts it after
    this, and would wait for this while this waits for it; an agent that runs follows by itself.
    Whoever deploys to this host meanwhile is right: what he applied stays. Raises AgentError.
    """
    first = not host.paths.booted.exists()
    if first:
        _end_what_was_before(host)
    publish_host_key(host)
    # One at a time: the boot unit, the agent when that one failed, and the operator's apply.
    with held(host.paths.lock, host.clock, host.events, wait_s=lock_wait_s):
        if first and host.paths.booted.exists():
            host.events.emit("unchanged", release=host.paths.current_release())
            return False
        return _take_current(host, mounted_now=cache.ensure(host))


def _end_what_was_before(host: Host) -> None:
    """Who took this host out of traffic before it went down may be gone, and the mark went with it.

    It is left as if its lease had run out, so that the agent registers the host again.
    """
    maintenance, now = Maintenance(host.paths.maintenance), host.clock.now()
    if maintenance.mark(now) is None:
        maintenance.begin(now, lease_s=0.0, why="it booted")


def _take_current(host: Host, *, mounted_now: bool) -> bool:
    """Apply what is current until nothing newer became current meanwhile (weights take long)."""
    apply = Apply(host, restart_agent=False)
    applied, done = False, None
    while True:
        wanted = wanted_release(host)
        if wanted is None:
            host.events.emit("waiting", reason="the fleet has no current release yet")
            return False
        if wanted == done:
            return applied
        if done is None:
            set_up(host)
        recreate = mounted_now and done is None
        applied = apply.while_held(wanted, fetch=True, recreate=recreate) or applied
        done = wanted


def set_up(host: Host) -> None:
    """Install what this image lacks to run engines; nothing when it lacks nothing."""
    script = host.paths.set_up
    if not script.is_file():
        return
    with host.events.phase("set-up"):
        done = host.run(["sh", str(script)], timeout_s=_SET_UP_S)
    if not done.ok:
        lines = (done.err or done.out).strip().splitlines()[-20:]
        last = lines[-1] if lines else f"exit {done.code}"
        raise AgentError(f"can't set this host up: {last}", hint="`fab setup`", log=lines)


def wanted_release(host: Host) -> Optional[str]:
    """The fleet's current release; the one on this host when there is none, or nobody to ask."""
    local = host.paths.current_release()
    try:
        return current_release(host.cloud) or local
    except CloudUnreachable as error:
        if local is None:
            raise
        host.events.emit("trouble", reason=f"{error.reason}; going on with {local}")
        return local


def publish_host_key(host: Host) -> None:
    """Create the parameter from which operators learn this host's public keys.

    It is never overwritten: a host that comes back with other keys must not pass for the old one.
    """
    keys = [
        " ".join(path.read_text(encoding="utf-8").split()[:2])
        for path in sorted(host.paths.ssh_host_keys.glob("ssh_host_*_key.pub"))
    ]
    if not keys:
        raise AgentError("sshd has no host keys yet", hint="run ssh-keygen -A, then boot again")
    instance_id = host.metadata.identity().instance_id
    name = f"{host.settings.parameter_root}/hosts/{instance_id}/host-key"
    created = host.cloud.create_parameter(name, "\n".join(keys))
    host.events.emit("host-key", parameter=name, created=created)
