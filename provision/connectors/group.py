"""The fleet's Auto Scaling group: who is in it, what it launches, what it is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from provision.connectors.aws_client import AwsClients, code_of
from provision.errors import CloudError

_IN_SERVICE = ("InService", "Pending")  # Pending:Wait and Pending:Proceed too
_MOVING = {"$Latest": "LatestVersionNumber", "$Default": "DefaultVersionNumber"}


@dataclass(frozen=True, slots=True)
class Members:
    """Instances in service, or on their way there, and the template's version of each; "" unknown.

    ``template`` is the version from which the group launches now.
    """

    versions: dict[str, str]
    template: str = ""


class ScalingGroup:
    """The group whose name *name* says when it is needed."""

    def __init__(self, aws: AwsClients, name: Callable[[], str]) -> None:
        self._aws, self._name = aws, name

    def members(self) -> Members:
        """Who is in it now, without those that it ends."""
        found = self._found()
        versions = {
            member["InstanceId"]: str(member.get("LaunchTemplate", {}).get("Version", ""))
            for group in found
            for member in group["Instances"]
            if member["LifecycleState"].startswith(_IN_SERVICE)
        }
        return Members(versions, self._launches(found[0]) if versions else "")

    def suspended(self) -> frozenset[str]:
        """Processes that are suspended now."""
        return frozenset(
            process["ProcessName"]
            for group in self._found()
            for process in group["SuspendedProcesses"]
        )

    def suspend(self, processes: Sequence[str]) -> None:
        """Suspend these processes."""
        self._processes("suspend_processes", processes)

    def resume(self, processes: Sequence[str]) -> None:
        """Resume these processes."""
        self._processes("resume_processes", processes)

    def terminate(self, instance: str) -> None:
        """End an instance, in whose place another one comes; no matter if it is gone already."""
        try:
            self._aws.call(
                "autoscaling",
                "terminate_instance_in_auto_scaling_group",
                instance,
                InstanceId=instance,
                ShouldDecrementDesiredCapacity=False,
            )
        except CloudError as error:
            if code_of(error) != "ValidationError" or "not found" not in str(error):
                raise

    def _found(self) -> list[dict[str, Any]]:
        name = self._name()
        pages = self._aws.pages(
            "autoscaling", "describe_auto_scaling_groups", name, AutoScalingGroupNames=[name]
        )
        return [group for page in pages for group in page["AutoScalingGroups"]]

    def _launches(self, group: dict[str, Any]) -> str:
        """A version by its number, also where the group takes "the latest"."""
        template = group.get("LaunchTemplate")
        if not template:
            return ""
        version = str(template.get("Version") or "$Default")
        if version not in _MOVING:
            return version
        name = template["LaunchTemplateId"]
        found = self._aws.call("ec2", "describe_launch_templates", name, LaunchTemplateIds=[name])
        return str(found["LaunchTemplates"][0][_MOVING[version]])

    def _processes(self, operation: str, processes: Sequence[str]) -> None:
        name = self._name()
        self._aws.call(
            "autoscaling",
            operation,
            name,
            AutoScalingGroupName=name,
            ScalingProcesses=list(processes),
        )
