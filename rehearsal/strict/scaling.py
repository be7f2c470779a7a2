"""Rules of Auto Scaling groups."""

from __future__ import annotations

from typing import Any

from rehearsal.strict.refusal import Look, Params, Refusal, Rule

TRANSITIONS = ("autoscaling:EC2_INSTANCE_LAUNCHING", "autoscaling:EC2_INSTANCE_TERMINATING")
RESULTS = ("CONTINUE", "ABANDON")
HEARTBEAT_S = (30, 7200)
PROCESSES = {
    *("Launch", "Terminate", "AddToLoadBalancer", "AlarmNotification", "AZRebalance"),
    *("HealthCheck", "InstanceRefresh", "ReplaceUnhealthy", "ScheduledActions"),
}


def sizes(params: Params, look: Look) -> Refusal | None:
    """Minimum, desired and maximum in this order, also against what is there already."""
    known = _group(params, look) if "MinSize" not in params or "MaxSize" not in params else {}
    low = params.get("MinSize", known.get("MinSize", 0))
    high = params.get("MaxSize", known.get("MaxSize", 0))
    wanted = params.get("DesiredCapacity", known.get("DesiredCapacity", low))
    if low > high:
        return Refusal("ValidationError", f"minimum {low} is above maximum {high}")
    if "DesiredCapacity" in params and not low <= wanted <= high:
        return Refusal("ValidationError", f"desired {wanted} is not between {low} and {high}")
    return None


def standby(params: Params, look: Look) -> Refusal | None:
    """Standby that lowers the desired capacity stops at the minimum."""
    if not params["ShouldDecrementDesiredCapacity"]:
        return None
    group = _group(params, look)
    left = group["DesiredCapacity"] - len(params.get("InstanceIds", ()))
    if left < group["MinSize"]:
        return Refusal(
            "ValidationError",
            f"AutoScalingGroup {group['AutoScalingGroupName']} has min-size={group['MinSize']},"
            f" and the desired capacity would be {left}",
        )
    return None


def hook(params: Params, look: Look) -> Refusal | None:  # noqa: ARG001  # it is a Rule
    """A hook waits half a minute to two hours, and then goes on or gives up."""
    if "LifecycleTransition" not in params and "HeartbeatTimeout" not in params:
        return Refusal("ValidationError", "a new hook needs its transition")
    transition = params.get("LifecycleTransition", TRANSITIONS[0])
    if transition not in TRANSITIONS:
        return Refusal("ValidationError", f"{transition!r}: one of {', '.join(TRANSITIONS)}")
    seconds = params.get("HeartbeatTimeout", HEARTBEAT_S[1])
    if not HEARTBEAT_S[0] <= seconds <= HEARTBEAT_S[1]:
        return Refusal("ValidationError", f"a hook waits {HEARTBEAT_S[0]} to {HEARTBEAT_S[1]} s")
    return _result(params.get("DefaultResult", RESULTS[0]))


def completion(params: Params, look: Look) -> Refusal | None:  # noqa: ARG001
    """It says which instance, and one of two results."""
    if not params.get("InstanceId") and not params.get("LifecycleActionToken"):
        return Refusal("ValidationError", "an instance's id or the action's token is needed")
    return _result(params["LifecycleActionResult"])


def health(params: Params, look: Look) -> Refusal | None:  # noqa: ARG001
    """One of two words."""
    if params["HealthStatus"] in ("Healthy", "Unhealthy"):
        return None
    return Refusal("ValidationError", f"{params['HealthStatus']!r}: Healthy or Unhealthy")


def suspendable(params: Params, look: Look) -> Refusal | None:  # noqa: ARG001
    """Processes by the names that AWS gives them."""
    unknown = set(params.get("ScalingProcesses", ())) - PROCESSES
    if unknown:
        return Refusal("ValidationError", f"{', '.join(sorted(unknown))}: no such process")
    return None


def smaller(params: Params, look: Look) -> Refusal | None:
    """A group does not get smaller than its minimum by ending one of its instances."""
    if not params["ShouldDecrementDesiredCapacity"]:
        return None
    found = look("autoscaling").describe_auto_scaling_instances(InstanceIds=[params["InstanceId"]])
    for one in found["AutoScalingInstances"]:
        group = _group({"AutoScalingGroupName": one["AutoScalingGroupName"]}, look)
        if group["DesiredCapacity"] - 1 < group["MinSize"]:
            return Refusal("ValidationError", f"min-size is {group['MinSize']}")
    return None


def _result(result: str) -> Refusal | None:
    if result in RESULTS:
        return None
    return Refusal("ValidationError", f"{result!r}: one of {', '.join(RESULTS)}")


def _group(params: Params, look: Look) -> dict[str, Any]:
    found = look("autoscaling").describe_auto_scaling_groups(
        AutoScalingGroupNames=[params["AutoScalingGroupName"]]
    )["AutoScalingGroups"]
    return dict(found[0]) if found else {}


RULES: dict[tuple[str, str], tuple[Rule, ...]] = {
    ("autoscaling", "CreateAutoScalingGroup"): (sizes,),
    ("autoscaling", "UpdateAutoScalingGroup"): (sizes,),
    ("autoscaling", "SetDesiredCapacity"): (sizes,),
    ("autoscaling", "EnterStandby"): (standby,),
    ("autoscaling", "PutLifecycleHook"): (hook,),
    ("autoscaling", "CompleteLifecycleAction"): (completion,),
    ("autoscaling", "SetInstanceHealth"): (health,),
    ("autoscaling", "SuspendProcesses"): (suspendable,),
    ("autoscaling", "ResumeProcesses"): (suspendable,),
    ("autoscaling", "TerminateInstanceInAutoScalingGroup"): (smaller,),
}
