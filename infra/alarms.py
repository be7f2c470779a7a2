"""The alarms of an environment, as tables: what people are told, and what calls the switch. Pure.

Metrics of a load balancer come once a minute, and only with traffic. Those that hosts send are
stored by the second, so an alarm may look at them every 10 s. docs/monitoring.md describes each.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from infra.fallback_alarms import fallback_alarms
from infra.series import Alarm, Series, Subject
from provision.config.environment import Environment
from provision.config.timeouts import chain

SHORT_S = 10


class Role(StrEnum):
    """What an alarm tells the switch; its settings call it the same."""

    CANARY = "canary"
    QUEUE = "queue"
    BUSY = "busy"
    ERRORS = "errors"


def alarms(environment: Environment) -> tuple[Alarm, ...]:
    """What a person is told about."""
    more = fallback_alarms() if environment.fallback.exists else ()
    return (*_traffic(environment), *_fleet(environment), *more)


def switch_alarms(environment: Environment) -> Mapping[Role, tuple[Alarm, ...]]:
    """What the switch is called for and looks at; nothing where there is no fallback.

    Of several alarms with one role the worst speaks. docs/fallback-switch.md has the same numbers.
    """
    if not environment.fallback.exists:
        return {}
    return {
        Role.CANARY: (_canary(),),
        Role.QUEUE: (_queue(),),
        Role.BUSY: (_busy(),),
        Role.ERRORS: (
            _errors("switch-errors-of-hosts", Subject.PRIMARY, "HTTPCode_Target_5XX_Count"),
            _errors(
                "switch-errors-of-load-balancer", Subject.LOAD_BALANCER, "HTTPCode_ELB_5XX_Count"
            ),
        ),
    }


def _traffic(environment: Environment) -> tuple[Alarm, ...]:
    return (
        Alarm(
            "errors-of-hosts",
            "Hosts answer 5xx.",
            (Series(Subject.PRIMARY, "HTTPCode_Target_5XX_Count", "Sum"),),
            "GreaterThanThreshold",
            10,
            periods=5,
            datapoints=3,
        ),
        Alarm(
            "errors-of-load-balancer",
            "The load balancer itself answers 5xx: no target, refused or cut connections.",
            (Series(Subject.LOAD_BALANCER, "HTTPCode_ELB_5XX_Count", "Sum"),),
            "GreaterThanThreshold",
            10,
            periods=5,
            datapoints=3,
        ),
        Alarm(
            "slow",
            "One answer in twenty takes nearly as long as the longest that is allowed.",
            (Series(Subject.PRIMARY, "TargetResponseTime", "p95"),),
            "GreaterThanThreshold",
            0.8 * chain(environment.engine).longest_generation_s,
            periods=10,
            datapoints=8,
        ),
    )


def _fleet(environment: Environment) -> tuple[Alarm, ...]:
    return (
        Alarm(
            "no-healthy-host",
            "No host takes traffic: the load balancer answers 503 or sends to all, broken or not.",
            (Series(Subject.PRIMARY, "HealthyHostCount", "Maximum"),),
            "LessThanThreshold",
            1,
            periods=5,
            datapoints=3,
            missing="breaching",
        ),
        Alarm(
            "unhealthy-host",
            "A host has been out of traffic for longer than a start takes. `fab doctor` says why.",
            (Series(Subject.PRIMARY, "UnHealthyHostCount", "Minimum"),),
            "GreaterThanThreshold",
            0,
            periods=30,
            datapoints=30,
        ),
        Alarm(
            "host-missing",
            "Auto Scaling can't bring a host back: capacity, quota, or the launch template.",
            (Series(Subject.FLEET, "GroupInServiceInstances", "Minimum"),),
            "LessThanThreshold",
            environment.fleet.hosts,
            periods=15,
            datapoints=15,
            missing="breaching",
        ),
    )


def _canary() -> Alarm:
    return Alarm(
        "switch-canary",
        "Engines give no token. The switch asks for one itself before it believes it.",
        (Series(Subject.OWN, "CanaryOk", "Average"),),
        "LessThanOrEqualToThreshold",
        0.5,
        periods=1,
        datapoints=1,
        period_s=SHORT_S,
        missing="missing",
    )


def _queue() -> Alarm:
    return Alarm(
        "switch-queue",
        "Requests wait in the engines.",
        (Series(Subject.OWN, "Waiting", "Average"),),
        "GreaterThanThreshold",
        8,
        periods=3,
        datapoints=2,
        period_s=SHORT_S,
        missing="missing",
    )


def _busy() -> Alarm:
    return Alarm(
        "switch-busy",
        "The engines have little room for more requests.",
        (Series(Subject.OWN, "KvUsage", "Average"),),
        "GreaterThanThreshold",
        0.7,
        periods=3,
        datapoints=2,
        period_s=SHORT_S,
        missing="missing",
    )


def _errors(name: str, subject: Subject, metric: str) -> Alarm:
    return Alarm(
        name,
        "Answers are 5xx, whatever the hosts say of themselves.",
        (Series(subject, metric, "Sum"),),
        "GreaterThanThreshold",
        10,
        periods=3,
        datapoints=2,
    )
