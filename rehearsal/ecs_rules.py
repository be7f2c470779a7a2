"""What ECS does for a service on Fargate: whom it starts, whom it ends, when it gives up. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

FAILURES_MIN, FAILURES_MAX = 3, 200


class State(StrEnum):
    """Where a task is in its life."""

    STARTING = "starting"
    SERVING = "serving"  # the load balancer calls it healthy
    LEAVING = "leaving"


@dataclass(frozen=True, slots=True)
class Service:
    """A service that somebody described: what shall run, and where it is reached."""

    cluster: str
    name: str
    definition: str
    desired: int
    subnets: tuple[str, ...]
    groups: tuple[str, ...]
    target_group: str
    port: int
    registry: str  # id of its name in Cloud Map

    @property
    def key(self) -> str:
        """What tells it from the others."""
        return f"{self.cluster}/{self.name}"


@dataclass(frozen=True, slots=True)
class TaskNow:
    """One task of a service."""

    key: str
    definition: str
    state: State


@dataclass(frozen=True, slots=True)
class Moves:
    """So many new tasks, and these old ones to end."""

    start: int = 0
    end: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Container:
    """One container of a task definition, as far as a rehearsal runs it."""

    name: str
    image: str
    command: tuple[str, ...]  # empty: the image's own
    variables: Mapping[str, str]
    after: tuple[str, ...]  # containers that must be healthy first
    check: tuple[str, ...]  # a health check's words, empty without one
    check_every_s: float = 30.0
    check_for_s: float = 0.0
    stop_s: float = 30.0


@dataclass(slots=True)
class Rollout:
    """What became of the tasks of one revision; *good* is the last one that came up."""

    definition: str
    good: str = ""
    failures: list[str] = field(default_factory=list)


def moves(definition: str, desired: int, tasks: Sequence[TaskNow]) -> Moves:
    """New ones beside the old ones; an old one goes when as many new ones serve as are wanted."""
    here = [task for task in tasks if task.state is not State.LEAVING]
    new = [task for task in here if task.definition == definition]
    old = [task for task in here if task.definition != definition]
    serving = sum(task.state is State.SERVING for task in new)
    newest_first = sorted(new, key=lambda task: (task.state is State.SERVING, task.key))
    spare = newest_first[: max(0, len(new) - desired)]
    gone = [*spare, *(old if serving >= desired else ())]
    return Moves(max(0, desired - len(new)), tuple(task.key for task in gone))


def gives_up(failures: int, desired: int) -> bool:
    """The circuit breaker: half as many failures as tasks, at least three, at most 200."""
    return failures >= min(FAILURES_MAX, max(FAILURES_MIN, math.ceil(desired / 2)))


def containers(definition: Mapping[str, Any]) -> tuple[Container, ...]:
    """Of DescribeTaskDefinition's answer, in an order in which they can start."""
    left = [_container(one) for one in definition["containerDefinitions"]]
    ordered: list[Container] = []
    while left:
        names = {one.name for one in left}
        free = [one for one in left if not names & set(one.after)]
        if not free:
            raise ValueError(f"containers wait for each other: {', '.join(sorted(names))}")
        ordered += free
        left = [one for one in left if one not in free]
    return tuple(ordered)


def _container(said: Mapping[str, Any]) -> Container:
    check = said.get("healthCheck", {})
    words = tuple(check.get("command", ()))
    if words and words[0] != "CMD":
        raise ValueError(f"a health check that a rehearsal can't run: {words[0]}")
    every_s = float(check.get("interval", 30))
    return Container(
        name=said["name"],
        image=said["image"],
        command=(*said.get("entryPoint", ()), *said.get("command", ())),
        variables={one["name"]: one["value"] for one in said.get("environment", ())},
        after=tuple(one["containerName"] for one in said.get("dependsOn", ())),
        check=words[1:],
        check_every_s=every_s,
        check_for_s=float(check.get("startPeriod", 0)) + every_s * int(check.get("retries", 3)),
        stop_s=float(said.get("stopTimeout", 30)),
    )
