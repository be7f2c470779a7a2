"""The dashboard of an environment, as CloudWatch's JSON. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from infra.names import metric_namespace
from provision.config.environment import Environment

_ASG = "AWS/AutoScaling"
_WIDTH, _HEIGHT, _COLUMNS = 8, 6, 3


@dataclass(frozen=True, slots=True)
class Shown:
    """What the dashboard shows; suffixes are the last parts of ARNs, as CloudWatch wants them."""

    load_balancer_suffix: str
    primary_suffix: str
    fallback_suffix: str
    asg_name: str


def dashboard_body(environment: Environment, shown: Shown) -> str:
    """Traffic by side of the switch, errors, times, hosts, and what hosts say of their engines."""
    balancer = ["LoadBalancer", shown.load_balancer_suffix]
    primary = [*balancer, "TargetGroup", shown.primary_suffix]
    fallback = [*balancer, "TargetGroup", shown.fallback_suffix]
    alb, engine = "AWS/ApplicationELB", metric_namespace(environment)
    graphs = [
        ("Requests", "Sum", [[alb, "RequestCount", *primary], [alb, "RequestCount", *fallback]]),
        (
            "Errors",
            "Sum",
            [
                [alb, "HTTPCode_Target_5XX_Count", *primary],
                [alb, "HTTPCode_ELB_5XX_Count", *balancer],
                [alb, "HTTPCode_Target_4XX_Count", *primary],
            ],
        ),
        ("Whole answer, p95 (s)", "p95", [[alb, "TargetResponseTime", *primary]]),
        (
            "Hosts in traffic",
            "Minimum",
            [
                [alb, "HealthyHostCount", *primary],
                [_ASG, "GroupInServiceInstances", "AutoScalingGroupName", shown.asg_name],
            ],
        ),
        ("Canary misses", "Sum", [[engine, "CanaryMiss"]]),
        ("Running and waiting", "Maximum", [[engine, "Running"], [engine, "Waiting"]]),
    ]
    widgets = [_graph(environment, i, *graph) for i, graph in enumerate(graphs)]
    return json.dumps({"widgets": widgets}, sort_keys=True)


def _graph(
    environment: Environment, position: int, title: str, statistic: str, metrics: list[list[str]]
) -> dict[str, Any]:
    return {
        "type": "metric",
        "x": position % _COLUMNS * _WIDTH,
        "y": position // _COLUMNS * _HEIGHT,
        "width": _WIDTH,
        "height": _HEIGHT,
        "properties": {
            "title": title,
            "region": environment.region,
            "stat": statistic,
            "period": 60,
            "metrics": metrics,
        },
    }
