"""What ECS says of the gateway: what a task is, and how its service stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

GAVE_UP = "FAILED"  # ECS's word for a change whose tasks do not come up


@dataclass(frozen=True, slots=True)
class TaskDefinition:
    """A revision: the image of each container, and the variables that all of them are told."""

    arn: str
    images: Mapping[str, str]
    told: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """``llm-fleet-prod-gateway:3``."""
        return short(self.arn)


@dataclass(frozen=True, slots=True)
class ServiceNow:
    """How the service stands.

    Attributes:
        definition: the ARN of the revision by which its tasks shall run.
        replacing: tasks of another revision are still there.
        rollout: ECS's word for the change that is under way or was the last one (COMPLETED,
            IN_PROGRESS, FAILED), None when it has none.
        reason: what ECS says about that.
        events: ECS's own log of the service, newest first.
    """

    definition: str
    desired: int
    running: int
    replacing: bool = False
    rollout: str | None = None
    reason: str = ""
    events: tuple[str, ...] = ()

    def steady(self, definition: str, tasks: int) -> bool:
        """All *tasks* run by the revision *definition*, and no other one is there."""
        wanted = (self.definition, self.desired, self.running) == (definition, tasks, tasks)
        return wanted and not self.replacing and self.rollout in (None, "COMPLETED")


def short(definition: str) -> str:
    """The name of a revision, from its ARN."""
    return definition.rpartition("/")[2]
