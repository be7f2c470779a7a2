"""Rules of Auto Scaling groups."""

from __future__ import annotations

from typing import Any

from rehearsal.strict.refusal import Look, Params, Refusal, Rule


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
}
