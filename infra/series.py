"""What an alarm or a graph looks at, whose metrics there are, and an alarm as a value. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Subject(StrEnum):
    """Whose metrics: of AWS's services, or what hosts, gateway and switch send themselves."""

    LOAD_BALANCER = "load balancer"
    PRIMARY = "primary"
    FALLBACK = "fallback"
    FLEET = "fleet"
    SWITCH = "switch"
    OWN = "own"


NAMESPACES = {
    Subject.LOAD_BALANCER: "AWS/ApplicationELB",
    Subject.PRIMARY: "AWS/ApplicationELB",
    Subject.FALLBACK: "AWS/ApplicationELB",
    Subject.FLEET: "AWS/AutoScaling",
    Subject.SWITCH: "AWS/Lambda",
}


@dataclass(frozen=True, slots=True)
class Series:
    """One metric, summed up by *statistic*: ``Sum``, ``Minimum``... or a percentile like ``p95``.

    *id* is its name in an expression.
    """

    subject: Subject
    metric: str
    statistic: str
    id: str = "m"


@dataclass(frozen=True, slots=True)
class Alarm:
    """*datapoints* of *periods* beyond *threshold*, in one series or in an *expression* of several.

    *missing* says what silence means: ``breaching`` where something always reports. AWS bills an
    alarm by its series.
    """

    name: str
    description: str
    series: tuple[Series, ...]
    comparison: str
    threshold: float
    periods: int
    datapoints: int
    period_s: int = 60
    missing: str = "notBreaching"
    expression: str = ""
