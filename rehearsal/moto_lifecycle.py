"""The life of a group's instances, which moto cuts short: hooks, suspended processes, health.

moto ends an instance at once, replaces it whatever is suspended, registers every instance anew
whenever the group's size is looked at, and says of all that they were launched from the template's
default version. Here a termination hook holds the end back until it is completed or its time is
over, what is suspended waits for its resumption, and an instance is registered once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from moto.autoscaling.exceptions import ValidationError
from moto.autoscaling.models import (
    AutoScalingBackend,
    FakeAutoScalingGroup,
    InstanceState,
    TerminateInstanceActivity,
)
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult, EmptyResult

TERMINATING = "autoscaling:EC2_INSTANCE_TERMINATING"
WAITS = "Terminating:Wait"
SERVES = "InService"
Replace = Callable[[type, str, Any], None]


def later(seconds: float, act: Callable[[], None]) -> Callable[[], None]:
    """Do *act* after some seconds; what comes back calls it off."""
    timer = threading.Timer(seconds, act)
    timer.daemon = True
    timer.start()
    return timer.cancel


@dataclass
class Wait:
    """An instance whose end is held back by *hooks*; *replaced* once it is gone."""

    backend: AutoScalingBackend
    group: FakeAutoScalingGroup
    state: InstanceState
    hooks: dict[str, Callable[[], None]]  # name -> calls its timer off
    replaced: bool


@dataclass
class Lifecycle:
    """What moto does not do with instances of groups."""

    waits: dict[str, Wait] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._set_health = AutoScalingBackend.set_instance_health
        self._resume = AutoScalingBackend.resume_processes
        self._delete = AutoScalingBackend.delete_auto_scaling_group
        self._resize = FakeAutoScalingGroup.set_desired_capacity

    def complete(self, asked: AutoScalingResponse) -> ActionResult:
        """The host, or whoever, is through with what the hook waits for."""
        wait, hook = self._waiting(asked)
        with self._lock:
            wait.hooks.pop(hook)()
            if asked._get_param("LifecycleActionResult") == "ABANDON" or not wait.hooks:
                self._end(wait)
        return EmptyResult()

    def heartbeat(self, asked: AutoScalingResponse) -> ActionResult:
        """The hook waits for its whole time again."""
        wait, hook = self._waiting(asked)
        with self._lock:
            wait.hooks[hook]()
            wait.hooks[hook] = self._timer(wait, hook)
        return EmptyResult()

    def terminate(
        self, backend: AutoScalingBackend, instance_id: str, should_decrement: bool
    ) -> TerminateInstanceActivity:
        """End an instance of a group, and replace it unless the group is to be smaller."""
        group, state = _find(backend, instance_id)
        size = group.desired_capacity
        with self._lock:
            if should_decrement:
                group.desired_capacity = (size or 0) - 1
            self._leave(backend, group, state, replaced=not should_decrement)
        return TerminateInstanceActivity(state.instance, size or 0)

    def set_health(self, backend: AutoScalingBackend, instance_id: str, health: str) -> None:
        """An unhealthy one is replaced, as soon as that is not suspended."""
        group, _ = _find(backend, instance_id)
        self._set_health(backend, instance_id, health)
        self._catch_up(backend, group)

    def resume(self, backend: AutoScalingBackend, group_name: str, processes: list[str]) -> None:
        """What was left undone meanwhile is done now."""
        self._resume(backend, group_name, processes)
        self._catch_up(backend, backend.autoscaling_groups[group_name])

    def resize(self, group: FakeAutoScalingGroup, capacity: int | None) -> None:
        """Launch what is missing, end what is too much, each unless it is suspended."""
        backend = group.autoscaling_backend
        if group.name not in backend.autoscaling_groups:
            self._resize(group, capacity)  # it is being made
            return
        with self._lock:
            group.desired_capacity = group.min_size if capacity is None else capacity
            active = [one for one in group.active_instances() if not one.protected_from_scale_in]
            excess = len(group.active_instances()) - (group.desired_capacity or 0)
            if excess > 0 and "Terminate" not in _suspended(group):
                for state in active[:excess]:
                    self._leave(backend, group, state, replaced=False)
            self._catch_up(backend, group)

    def notify(self, backend: AutoScalingBackend, instance_ids: list[str]) -> None:
        """EC2 ended instances by itself: no hook can help, and the group replaces them."""
        with self._lock:
            for group in backend.autoscaling_groups.values():
                gone = [s for s in group.instance_states if s.instance.id in instance_ids]
                for state in gone:
                    group.instance_states.remove(state)
                    self._forget(state.instance.id)
                if gone:
                    self._catch_up(backend, group)

    def register(self, backend: AutoScalingBackend, group_name: str) -> None:
        """Each instance into each target group, once: who is taken out stays out."""
        group = backend.autoscaling_groups[group_name]
        groups = backend.elbv2_backend.target_groups
        for state in group.active_instances():
            known: set[str] = state.__dict__.setdefault("registered_in", set())
            for arn in (set(group.target_group_arns) & set(groups)) - known:
                target = {"Id": state.instance.id, "Port": groups[arn].port}
                backend.elbv2_backend.register_targets(arn, [target])
                known.add(arn)

    def delete(self, backend: AutoScalingBackend, group_name: str) -> None:
        """A group that is deleted waits for nobody."""
        for hook in backend.describe_lifecycle_hooks(group_name):
            backend.delete_lifecycle_hook(group_name, hook.name)
        with self._lock:
            for wait in [w for w in self.waits.values() if w.group.name == group_name]:
                self._end(wait)
            group = backend.autoscaling_groups.get(group_name)
            if group is not None:
                group.suspended_processes = ["Launch"]
        self._delete(backend, group_name)

    def _waiting(self, asked: AutoScalingResponse) -> tuple[Wait, str]:
        instance, hook = asked._get_param("InstanceId"), asked._get_param("LifecycleHookName")
        wait = self.waits.get(instance)
        named = asked._get_param("AutoScalingGroupName")
        if wait is None or hook not in wait.hooks or wait.group.name != named:
            raise ValidationError(f"No active Lifecycle Action found with instance ID {instance}")
        return wait, hook

    def _leave(
        self,
        backend: AutoScalingBackend,
        group: FakeAutoScalingGroup,
        state: InstanceState,
        *,
        replaced: bool,
    ) -> None:
        if state.instance.id in self.waits:
            return
        wait = Wait(backend, group, state, {}, replaced)
        state.lifecycle_state = WAITS
        _out_of_traffic(backend, group, state.instance.id)
        self.waits[state.instance.id] = wait
        for hook in backend.describe_lifecycle_hooks(group.name):
            if hook.lifecycle_transition == TERMINATING:
                wait.hooks[hook.name] = self._timer(wait, hook.name)
        if not wait.hooks:
            self._end(wait)

    def _timer(self, wait: Wait, name: str) -> Callable[[], None]:
        hooks = wait.backend.describe_lifecycle_hooks(wait.group.name, [name])
        return later(float(hooks[0].heartbeat_timeout), lambda: self._end(wait))

    def _end(self, wait: Wait) -> None:
        with self._lock:
            instance = wait.state.instance.id
            if self._forget(instance) is None:
                return
            if wait.state in wait.group.instance_states:
                wait.group.instance_states.remove(wait.state)
            wait.backend.ec2_backend.terminate_instances([instance])
            if wait.replaced:
                self._catch_up(wait.backend, wait.group)

    def _forget(self, instance: str) -> Wait | None:
        wait = self.waits.pop(instance, None)
        for call_off in wait.hooks.values() if wait else ():
            call_off()
        return wait

    def _catch_up(self, backend: AutoScalingBackend, group: FakeAutoScalingGroup) -> None:
        """Do what the group is for, as far as nothing is suspended."""
        suspended = _suspended(group)
        with self._lock:
            if not suspended & {"ReplaceUnhealthy", "Terminate", "HealthCheck"}:
                for state in group.active_instances():
                    if state.health_status == "Unhealthy":
                        self._leave(backend, group, state, replaced=True)
            leaving = [w for w in self.waits.values() if w.group is group and w.replaced]
            there = len(group.active_instances()) + len(leaving)
            missing = (group.desired_capacity or 0) - there
            if missing > 0 and "Launch" not in suspended:
                tags = group.get_propagated_tags()
                group.replace_autoscaling_group_instances(missing, tags)
            if group.name in backend.autoscaling_groups:
                backend.update_attached_elbs(group.name)
                backend.update_attached_target_groups(group.name)


def teach(replace: Replace) -> Lifecycle:
    """Let moto's Auto Scaling do all this; *replace* sets an attribute of a class."""
    life = Lifecycle()
    for owner, name, function in (
        (AutoScalingResponse, "complete_lifecycle_action", life.complete),
        (AutoScalingResponse, "record_lifecycle_action_heartbeat", life.heartbeat),
        (AutoScalingBackend, "terminate_instance", life.terminate),
        (AutoScalingBackend, "set_instance_health", life.set_health),
        (AutoScalingBackend, "resume_processes", life.resume),
        (AutoScalingBackend, "notify_terminate_instances", life.notify),
        (AutoScalingBackend, "update_attached_target_groups", life.register),
        (AutoScalingBackend, "delete_auto_scaling_group", life.delete),
        (FakeAutoScalingGroup, "set_desired_capacity", life.resize),
    ):
        replace(owner, name, _method(function))
    _remember_versions(replace)
    return life


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    """As an attribute of a class, *function* gets the object that it was called on."""

    def method(owner: Any, *args: Any, **kwargs: Any) -> Any:
        return function(owner, *args, **kwargs)

    return method


def _remember_versions(replace: Replace) -> None:
    make = InstanceState.__init__

    def init(state: InstanceState, *args: Any, **kwargs: Any) -> None:
        make(state, *args, **kwargs)
        state.__dict__["launched_from"] = _template(state.auto_scaling_group)

    replace(InstanceState, "__init__", init)
    replace(InstanceState, "launch_template", property(lambda s: s.__dict__["launched_from"]))


def _template(group: FakeAutoScalingGroup | None) -> dict[str, Any] | None:
    """The template and version that the group launches from now."""
    template = group.ec2_launch_template if group else None
    if group is None or template is None:
        return None
    moving = {
        "$Latest": template.latest_version_number,
        "$Default": template.default_version_number,
    }
    version = group.launch_template_version
    return {
        "LaunchTemplateId": template.id,
        "LaunchTemplateName": template.name,
        "Version": str(moving.get(version, version)),
    }


def _find(
    backend: AutoScalingBackend, instance_id: str
) -> tuple[FakeAutoScalingGroup, InstanceState]:
    for group in backend.autoscaling_groups.values():
        for state in group.instance_states:
            if state.instance.id == instance_id:
                return group, state
    raise ValidationError(f"Instance Id not found - No managed instance found for {instance_id}")


def _suspended(group: FakeAutoScalingGroup) -> set[str]:
    return {process["ProcessName"] for process in group.suspended_processes}


def _out_of_traffic(
    backend: AutoScalingBackend, group: FakeAutoScalingGroup, instance_id: str
) -> None:
    for arn in group.target_group_arns:
        targets = backend.elbv2_backend.target_groups
        if arn in targets and instance_id in targets[arn].targets:
            port = targets[arn].port
            backend.elbv2_backend.deregister_targets(arn, [{"Id": instance_id, "Port": port}])
