"""What a load balancer knows: listeners, rules, target groups. Pure: from ELBv2's answers."""

from __future__ import annotations

import fnmatch
import ipaddress
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from rehearsal.http1 import Head

DEFAULT_PRIORITY = 1_000_000


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """One registered target; *id* as ELBv2 names it, *address* where it is."""

    id: str
    port: int
    address: str


@dataclass(frozen=True, slots=True)
class Check:
    """How a target group looks at its targets. ``port`` None is the traffic port."""

    path: str = "/"
    port: int | None = None
    interval_s: float = 30.0
    timeout_s: float = 5.0
    healthy: int = 5
    unhealthy: int = 2
    matcher: str = "200"

    def accepts(self, status: int) -> bool:
        """Whether *status* is one of the matcher's (``200``, ``200,202``, ``200-299``)."""
        for part in self.matcher.split(","):
            low, _, high = part.partition("-")
            if int(low) <= status <= int(high or low):
                return True
        return False


@dataclass(frozen=True, slots=True)
class Group:
    """A target group with its targets."""

    arn: str
    check: Check
    targets: tuple[Target, ...] = ()
    deregistration_delay_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Fixed:
    """A fixed response."""

    status: int
    body: str = ""
    kind: str = "text/plain"


@dataclass(frozen=True, slots=True)
class Forward:
    """Weighted target groups, by ARN."""

    weights: tuple[tuple[str, int], ...]

    def choose(self, draw: Callable[[], float] = random.random) -> str | None:
        """One group by weight; None when no group has any. Health plays no part: as on AWS."""
        total = sum(weight for _, weight in self.weights)
        point = draw() * total
        for arn, weight in self.weights:
            point -= weight
            if weight and point < 0:
                return arn
        return None


@dataclass(frozen=True, slots=True)
class Rule:
    """Conditions (all must hold) and what happens then."""

    priority: int
    conditions: tuple[tuple[str, str, tuple[str, ...]], ...]
    action: Forward | Fixed

    def matches(self, head: Head, client: str) -> bool:
        """Whether a request with *head* from *client* is this rule's."""
        return all(_holds(condition, head, client) for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything that the load balancer does, at one moment. Rules by listener port."""

    rules: Mapping[int, tuple[Rule, ...]]
    groups: Mapping[str, Group]
    idle_timeout_s: float = 60.0

    def action(self, port: int, head: Head, client: str) -> Forward | Fixed:
        """The action of the first rule that matches; rules are in the order of their priority."""
        for rule in self.rules[port]:
            if rule.matches(head, client):
                return rule.action
        return Fixed(404)


def parse_rules(rules: Sequence[Mapping[str, Any]]) -> tuple[Rule, ...]:
    """DescribeRules' answer as rules in the order in which they are tried."""
    parsed = []
    for rule in rules:
        last = rule["Priority"] == "default"
        parsed.append(
            Rule(
                DEFAULT_PRIORITY if last else int(rule["Priority"]),
                tuple(_condition(c) for c in rule.get("Conditions", ())),
                _action(rule["Actions"]),
            )
        )
    return tuple(sorted(parsed, key=lambda rule: rule.priority))


def parse_group(
    group: Mapping[str, Any], attributes: Mapping[str, str], targets: Sequence[Target]
) -> Group:
    """DescribeTargetGroups' and DescribeTargetGroupAttributes' answers as a group."""
    port = group.get("HealthCheckPort", "traffic-port")
    check = Check(
        path=group.get("HealthCheckPath") or "/",
        port=None if port == "traffic-port" else int(port),
        interval_s=float(group.get("HealthCheckIntervalSeconds") or 30),
        timeout_s=float(group.get("HealthCheckTimeoutSeconds") or 5),
        healthy=int(group.get("HealthyThresholdCount") or 5),
        unhealthy=int(group.get("UnhealthyThresholdCount") or 2),
        matcher=(group.get("Matcher") or {}).get("HttpCode") or "200",
    )
    delay = float(attributes.get("deregistration_delay.timeout_seconds", 300))
    return Group(group["TargetGroupArn"], check, tuple(sorted(targets)), delay)


def _condition(said: Mapping[str, Any]) -> tuple[str, str, tuple[str, ...]]:
    field = said["Field"]
    if field == "http-header":
        config = said["HttpHeaderConfig"]
        return field, config["HttpHeaderName"], tuple(config["Values"])
    if field == "query-string":
        pairs = said["QueryStringConfig"]["Values"]
        return field, "", tuple(f"{p.get('Key', '*')}={p['Value']}" for p in pairs)
    name = "".join(part.capitalize() for part in field.split("-")) + "Config"
    values = said.get(name, {}).get("Values") or said.get("Values", ())
    return field, "", tuple(values)


def _action(actions: Sequence[Mapping[str, Any]]) -> Forward | Fixed:
    action = max(actions, key=lambda item: item.get("Order", 1))
    if action["Type"] == "fixed-response":
        said = action["FixedResponseConfig"]
        kind = said.get("ContentType") or "text/plain"
        return Fixed(int(said["StatusCode"]), said.get("MessageBody") or "", kind)
    if action["Type"] != "forward":
        raise ValueError(f"the rehearsal's load balancer has no {action['Type']} action")
    groups = action.get("ForwardConfig", {}).get("TargetGroups") or [
        {"TargetGroupArn": action["TargetGroupArn"]}
    ]
    return Forward(tuple((g["TargetGroupArn"], int(g.get("Weight", 1))) for g in groups))


def _holds(condition: tuple[str, str, tuple[str, ...]], head: Head, client: str) -> bool:
    field, name, values = condition
    url = urlsplit(head.first[1])
    if field == "path-pattern":
        return any(_like(url.path, value) for value in values)
    if field == "http-header":
        return _any_like(head.get(name), values)
    if field == "host-header":
        return _any_like((head.get("host") or "").partition(":")[0], values)
    if field == "http-request-method":
        return head.first[0] in values
    if field == "query-string":
        pairs = [f"{key}={value}" for key, value in parse_qsl(url.query)]
        return any(_any_like(pair, values) for pair in pairs)
    if field == "source-ip":
        return any(ipaddress.ip_address(client) in ipaddress.ip_network(v) for v in values)
    raise ValueError(f"the rehearsal's load balancer has no {field} condition")


def _any_like(text: str | None, patterns: Sequence[str]) -> bool:
    # Paths are compared in their case, header values are not.
    return text is not None and any(_like(text.lower(), p.lower()) for p in patterns)


def _like(text: str, pattern: str) -> bool:
    # Only * and ? are special, so brackets are taken as they are.
    plain = re.sub(r"\[", "[[]", pattern)
    return fnmatch.fnmatchcase(text, plain)
