"""The listener rule that carries all traffic: its weights are the switch's true position. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from provision.switch.errors import SwitchError
from provision.switch.values import ALL


@dataclass(frozen=True, slots=True)
class Groups:
    """The two target groups, by ARN."""

    primary: str
    fallback: str


@dataclass(frozen=True, slots=True)
class Rule:
    """The rule as it was found. *share* is the primary's percent, rounded away from 0 and 100."""

    share: int
    actions: tuple[Mapping[str, Any], ...]


def read(actions: Sequence[Mapping[str, Any]], groups: Groups) -> Rule:
    """The rule with these *actions*. Raises SwitchError for one that is not the switch's."""
    weights = _weights([action for action in actions if action.get("Type") == "forward"])
    strangers = set(weights) - {groups.primary, groups.fallback}
    primary, fallback = weights.get(groups.primary, 0), weights.get(groups.fallback, 0)
    if strangers or not primary + fallback:
        what = f"forwards to {', '.join(sorted(strangers))}" if strangers else "forwards nowhere"
        raise SwitchError(
            f"the traffic rule was edited: it {what}; it is left as it is",
            hint="put the forward to the primary and the fallback group back; `fab fallback.status`"
            " names them",
        )
    return Rule(_share(primary, fallback), tuple(actions))


def moved(rule: Rule, share: int, groups: Groups) -> list[dict[str, Any]]:
    """The rule's actions with other weights; what stands before the forward (a log-in) stays.

    Without stickiness: a sticky client would stay with a dead group, whatever the weights say.
    """
    weights = ((groups.primary, share), (groups.fallback, ALL - share))
    forward = {
        "TargetGroups": [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in weights],
        "TargetGroupStickinessConfig": {"Enabled": False},
    }
    return [
        {**_without(action, "TargetGroupArn"), "ForwardConfig": forward}
        if action["Type"] == "forward"
        else dict(action)
        for action in rule.actions
    ]


def _weights(forwards: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for forward in forwards:
        for group in forward.get("ForwardConfig", {}).get("TargetGroups", ()):
            found[group["TargetGroupArn"]] = int(group.get("Weight", 1))
        if "TargetGroupArn" in forward:
            found.setdefault(forward["TargetGroupArn"], 1)
    return found


def _share(primary: int, fallback: int) -> int:
    if not fallback:
        return ALL
    if not primary:
        return 0
    return min(ALL - 1, max(1, round(ALL * primary / (primary + fallback))))


def _without(action: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in action.items() if key != name}
