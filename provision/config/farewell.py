"""How long the Auto Scaling group waits for a host that it ends, and under which name it does."""

from __future__ import annotations

from provision.config.environment import Environment
from provision.config.timeouts import chain

HEARTBEAT_MIN_S, HEARTBEAT_MAX_S = 30, 7200  # AWS: HeartbeatTimeout of a lifecycle hook
_MARGIN_S = 90  # the notice is read every 5 s, the load balancer needs some more to stop sending


def heartbeat_s(environment: Environment) -> int:
    """Long enough to be emptied and to stop politely: the host itself ends the wait before that."""
    timeouts = chain(environment.engine)
    needed = timeouts.front_read_s + timeouts.compose_grace_s + _MARGIN_S
    return min(HEARTBEAT_MAX_S, needed)


def hook_name(environment: Environment) -> str:
    """Name of the termination hook, which is on the group ``environment.prefix``."""
    return f"{environment.prefix}-leave"
