"""A host is ended, and the group brings another one in its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from provision.connectors.protocols import Clock, Cloud
from provision.errors import FleetError, HostError, NotReady
from provision.executor.host_program import Say
from provision.facts.inventory import Host
from provision.planning.actions import TerminateHost, WaitReplaced
from provision.planning.plan import Step

POLL_S = 5.0
_IN_TRAFFIC = "healthy"
_HINT = (
    "hosts that were not touched yet serve as before; `fab status` and `fab logs` show the new one,"
    " `aws autoscaling describe-scaling-activities` why none came; then run it again: it goes on"
)


def replacing(
    step: Step, *, cloud: Cloud, clock: Clock, stopped: Callable[[], bool], say: Say
) -> str:
    """End the step's host, or wait for those that come; what there is to tell of it.

    Raises FleetError when it fails.
    """
    match step.action, step.host:
        case WaitReplaced() as wanted, _:
            return wait_replaced(wanted, cloud=cloud, clock=clock, stopped=stopped, say=say)
        case TerminateHost(), Host(name):
            cloud.terminate(name)
            return ""
        case action, _:
            raise TypeError(f"{type(action).__name__} replaces no host")


def wait_replaced(
    wanted: WaitReplaced, *, cloud: Cloud, clock: Clock, stopped: Callable[[], bool], say: Say
) -> str:
    """Return the names of the new hosts when enough are in traffic, and stayed there for a while.

    Raises NotReady for a new host that does not get there in time, FleetError when none came.
    """
    begun, said = clock.monotonic(), ""
    while True:
        states = _newcomers(wanted, cloud)
        there = sorted(name for name, state in states.items() if state == _IN_TRAFFIC)
        if len(there) >= wanted.count:
            _watch(there, wanted, cloud=cloud, clock=clock, stopped=stopped)
            return ", ".join(there)
        now = _words(states)
        if now != said:
            say(now)
            said = now
        waited_s = clock.monotonic() - begun
        if stopped() or waited_s >= wanted.timeout_s:
            raise _too_late(states, waited_s)
        clock.sleep(POLL_S)


def _newcomers(wanted: WaitReplaced, cloud: Cloud) -> dict[str, str]:
    """Hosts that were not there before, and what the load balancer calls each."""
    health = {one.host: one.state for one in cloud.target_health()}
    names = (host.name for host in cloud.inventory() if host.name not in wanted.known)
    return {name: health.get(name, "not registered") for name in names}


def _watch(
    there: list[str],
    wanted: WaitReplaced,
    *,
    cloud: Cloud,
    clock: Clock,
    stopped: Callable[[], bool],
) -> None:
    begun = clock.monotonic()
    while clock.monotonic() - begun < wanted.bake_s and not stopped():
        clock.sleep(POLL_S)
        states = _newcomers(wanted, cloud)
        for name in there:
            if states.get(name) != _IN_TRAFFIC:
                after = f"{clock.monotonic() - begun:.0f} s after it came into traffic"
                state = states.get(name, "gone")
                raise HostError(name, f"it is {state} {after}", hint=_HINT)


def _words(states: Mapping[str, str]) -> str:
    words = [f"{name} is {state}" for name, state in sorted(states.items())]
    return ", ".join(words) or "no new host yet"


def _too_late(states: Mapping[str, str], waited_s: float) -> FleetError:
    late = {name: state for name, state in sorted(states.items()) if state != _IN_TRAFFIC}
    for name, state in late.items():
        why = f"the new host is {state} to the load balancer after {waited_s:.0f} s"
        return NotReady(name, why, waited_s=waited_s, hint=_HINT)
    return FleetError(f"the group brought no new host within {waited_s:.0f} s", hint=_HINT)
