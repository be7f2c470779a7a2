"""The actions that are one call of the host program, and nothing beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from provision.commands import host_program
from provision.commands.command import Command
from provision.planning.actions import (
    Action,
    ApplyRelease,
    Bake,
    BeginMaintenance,
    DrainHost,
    EndMaintenance,
    PrepareRelease,
    ProveGpu,
)

_WHY_AWAY = "an operator's rollout"


def call_of(action: Action) -> Command:
    """How the host program is told to do *action*. Raises TypeError for what is no such call."""
    make = _CALLS.get(type(action))
    if make is None:
        raise TypeError(f"{type(action).__name__} is no call of the host program")
    return make(action)


def _prove_gpu(action: ProveGpu) -> Command:
    program = host_program.program_of(action.release_id)
    return host_program.prove_gpu(action.image, count=action.count, program=program)


_CALLS: Mapping[type, Callable[[Any], Command]] = {
    ProveGpu: _prove_gpu,
    PrepareRelease: lambda a: host_program.prepare(a.release_id, fetch=a.fetch),
    ApplyRelease: lambda a: host_program.apply(
        a.release_id, restart=a.restart, fetch=a.fetch, first=a.first, replica=a.replica
    ),
    BeginMaintenance: lambda a: host_program.maintain(
        lease_s=a.lease_s, why=_WHY_AWAY, replica=a.replica
    ),
    EndMaintenance: lambda a: host_program.resume(replica=a.replica),
    DrainHost: lambda a: host_program.drain(timeout_s=a.timeout_s, replica=a.replica),
    Bake: lambda a: host_program.bake(a.release_id, seconds=a.seconds, replica=a.replica),
}
