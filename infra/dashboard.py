"""The dashboard of an environment, as CloudWatch's JSON. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from infra.names import metric_namespace
from provision.config.environment import Environment

_ALB, _ASG = "AWS/ApplicationELB", "AWS/AutoScaling"
_WIDTH, _HEIGHT, _COLUMNS = 8, 6, 3

Row = list[Any]  # namespace, name, dimensions and their values, options


@dataclass(frozen=True, slots=True)
class Shown:
    """What the dashboard shows; suffixes are the last parts of ARNs, as CloudWatch wants them."""

    load_balancer_suffix: str
    primary_suffix: str
    fallback_suffix: str
    asg_name: str


@dataclass(frozen=True, slots=True)
class Graph:
    """A title, the statistic unless a row says another, and the rows."""

    title: str
    statistic: str
    rows: list[Row]
    stacked: bool = False
    period_s: int = 60


def dashboard_body(environment: Environment, shown: Shown) -> str:
    """Who answers, how well, how full the engines are; with a fallback also where traffic goes."""
    graphs = [*_traffic(environment, shown), *_engines(environment)]
    if environment.fallback.exists:
        graphs += _fallback(environment)
    widgets = [_widget(environment, i, graph) for i, graph in enumerate(graphs)]
    return json.dumps({"widgets": widgets}, sort_keys=True)


def _traffic(environment: Environment, shown: Shown) -> list[Graph]:
    balancer = ["LoadBalancer", shown.load_balancer_suffix]
    primary = [*balancer, "TargetGroup", shown.primary_suffix]
    fallback = [*balancer, "TargetGroup", shown.fallback_suffix]
    own = metric_namespace(environment)
    tiers = [[own, "AnswersPrimary"]]
    if environment.fallback.exists:
        tiers += [[own, "AnswersHosted"], [own, "AnswersStale"]]
    return [
        Graph(
            "Requests by side of the switch",
            "Sum",
            [
                [_ALB, "RequestCount", *primary, {"label": "fleet"}],
                [_ALB, "RequestCount", *fallback, {"label": "gateway"}],
            ],
            stacked=True,
        ),
        Graph("Answers of hosts by tier", "Sum", tiers, stacked=True),
        Graph(
            "Errors",
            "Sum",
            [
                [_ALB, "HTTPCode_Target_5XX_Count", *primary],
                [_ALB, "HTTPCode_ELB_5XX_Count", *balancer],
                [_ALB, "HTTPCode_Target_4XX_Count", *primary],
                [own, "Errors"],
            ],
        ),
        Graph("Whole answer, p95 (s)", "p95", [[_ALB, "TargetResponseTime", *primary]]),
        Graph(
            "Hosts in traffic",
            "Minimum",
            [
                [_ALB, "HealthyHostCount", *primary],
                [_ASG, "GroupInServiceInstances", "AutoScalingGroupName", shown.asg_name],
            ],
        ),
    ]


def _engines(environment: Environment) -> list[Graph]:
    own = metric_namespace(environment)
    return [
        Graph(
            "Canaries: share that is answered, token's p95 (s)",
            "Average",
            [[own, "CanaryOk"], [own, "CanarySeconds", {"stat": "p95", "yAxis": "right"}]],
        ),
        Graph(
            "First token (s)",
            "p50",
            [[own, "FirstTokenSeconds", {"stat": each}] for each in ("p50", "p95", "p99")],
        ),
        Graph(
            "Running and waiting, of an engine",
            "Average",
            [
                [own, "Running"],
                [own, "Waiting"],
                [own, "Waiting", {"stat": "Maximum", "label": "Waiting, the longest queue"}],
            ],
        ),
        Graph(
            "KV cache in use (0 to 1)",
            "Average",
            [[own, "KvUsage"], [own, "KvUsage", {"stat": "Maximum", "label": "the fullest"}]],
        ),
        Graph("GPUs (%)", "Average", [[own, "GpuUtilisation"], [own, "GpuMemory"]]),
        Graph("Engines that started anew", "Sum", [[own, "Restarts"]]),
    ]


def _fallback(environment: Environment) -> list[Graph]:
    own = metric_namespace(environment)
    return [
        Graph(
            "Weights: the fleet's share (%), trips",
            "Minimum",
            [[own, "PrimaryShare"], [own, "Trips", {"stat": "Sum", "yAxis": "right"}]],
        ),
        Graph(
            "Tokens that the switch asked for (share that came)",
            "Average",
            [[own, "SwitchTokensGood"], [own, "HostedTokenGood"]],
        ),
        Graph(
            "Old answers, refusals for the cap, failures of providers",
            "Sum",
            [[own, "StaleAnswers"], [own, "HostedRefused"], [own, "ProviderFailed"]],
        ),
        Graph("Hosted tokens ($ an hour)", "Sum", [[own, "HostedSpendUsd"]], period_s=3600),
    ]


def _widget(environment: Environment, position: int, graph: Graph) -> dict[str, Any]:
    return {
        "type": "metric",
        "x": position % _COLUMNS * _WIDTH,
        "y": position // _COLUMNS * _HEIGHT,
        "width": _WIDTH,
        "height": _HEIGHT,
        "properties": {
            "title": graph.title,
            "region": environment.region,
            "view": "timeSeries",
            "stacked": graph.stacked,
            "stat": graph.statistic,
            "period": graph.period_s,
            "metrics": graph.rows,
        },
    }
