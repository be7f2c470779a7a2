"""The alarms of an environment, as a table. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from provision.config.environment import Environment
from provision.config.timeouts import chain


class Subject(StrEnum):
    """What an alarm looks at."""

    LOAD_BALANCER = "load balancer"
    PRIMARY = "primary"
    FLEET = "fleet"


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm on one metric: *datapoints* of *minutes* beyond *threshold*.

    *missing* says what silence means: ``breaching`` where something always reports.
    """

    name: str
    description: str
    subject: Subject
    metric: str
    statistic: str  # Sum, Minimum... or a percentile such as p95
    comparison: str
    threshold: float
    minutes: int
    datapoints: int
    missing: str = "notBreaching"


def alarms(environment: Environment) -> tuple[Alarm, ...]:
    """What a person is told about. Metrics of a load balancer are silent without traffic."""
    return (
        Alarm(
            "no-healthy-host",
            "No host takes traffic: the load balancer answers 503 or sends to all, broken or not.",
            Subject.PRIMARY,
            "HealthyHostCount",
            "Maximum",
            "LessThanThreshold",
            1,
            minutes=5,
            datapoints=3,
            missing="breaching",
        ),
        Alarm(
            "unhealthy-host",
            "A host has been out of traffic for longer than a start takes. `fab doctor` says why.",
            Subject.PRIMARY,
            "UnHealthyHostCount",
            "Minimum",
            "GreaterThanThreshold",
            0,
            minutes=30,
            datapoints=30,
        ),
        Alarm(
            "host-missing",
            "Auto Scaling can't bring a host back: capacity, quota, or the launch template.",
            Subject.FLEET,
            "GroupInServiceInstances",
            "Minimum",
            "LessThanThreshold",
            environment.fleet.hosts,
            minutes=15,
            datapoints=15,
            missing="breaching",
        ),
        Alarm(
            "errors-of-hosts",
            "Hosts answer 5xx.",
            Subject.PRIMARY,
            "HTTPCode_Target_5XX_Count",
            "Sum",
            "GreaterThanThreshold",
            10,
            minutes=5,
            datapoints=3,
        ),
        Alarm(
            "errors-of-load-balancer",
            "The load balancer itself answers 5xx: no target, refused or cut connections.",
            Subject.LOAD_BALANCER,
            "HTTPCode_ELB_5XX_Count",
            "Sum",
            "GreaterThanThreshold",
            10,
            minutes=5,
            datapoints=3,
        ),
        Alarm(
            "slow",
            "One answer in twenty takes nearly as long as the longest that is allowed.",
            Subject.PRIMARY,
            "TargetResponseTime",
            "p95",
            "GreaterThanThreshold",
            0.8 * chain(environment.engine).longest_generation_s,
            minutes=10,
            datapoints=8,
        ),
    )
