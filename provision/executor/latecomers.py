"""Hosts that joined the fleet while a deploy went on, and took the release of before."""

from __future__ import annotations

from provision.connectors.protocols import Cloud, Shell
from provision.executor.gather import look_at
from provision.planning.actions import SetCurrent
from provision.planning.plan import Plan


def behind(plan: Plan, *, cloud: Cloud, shell: Shell) -> tuple[str, ...]:
    """Names of hosts that came while *plan* was carried out and run another release than its own.

    One that runs nothing yet, or can't be reached yet, takes the new release by itself, for that is
    current now. Empty for a plan that made nothing current. Raises CloudError.
    """
    promoted = _promoted(plan)
    if promoted is None:
        return ()
    known = {*plan.expects, *plan.left_out}
    seen = look_at((host for host in cloud.inventory() if host.name not in known), shell)
    return tuple(
        name for name, facts in seen.facts.items() if facts.release not in (None, promoted)
    )


def _promoted(plan: Plan) -> str | None:
    """The release that *plan* makes current."""
    for wave in plan:
        for step in wave.steps:
            if isinstance(step.action, SetCurrent):
                return step.action.release_id
    return None
