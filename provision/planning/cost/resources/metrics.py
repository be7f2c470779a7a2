"""CloudWatch's metrics that hosts and switch write themselves. Free tiers are left to others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from provision.config.environment import Environment
from provision.planning.cost.bill import Line, Unbilled
from provision.planning.cost.declared import Declared
from provision.planning.cost.money import HOURS_PER_MONTH
from provision.planning.cost.month import Month, Pricer
from provision.planning.cost.usage import SECONDS_PER_HOUR
from provision.render.agent import tiers

TOLD_EVERY_S = 10
# Of engines and front, and of GPUs; without a dimension for the host they cost once for all hosts.
OF_ENGINES, OF_GPUS = 8, 2
OF_SWITCH = 4
_METRIC = "cloudwatch.metric_month"


def metrics(resource: Declared, month: Month) -> Iterator[Line | Unbilled]:
    """The metrics by the hours in which they are written, and the calls that carry them.

    The component stands for them: the program declares none.
    """
    hours = month.usage.hours
    count = of_fleet(month.environment) * hours / HOURS_PER_MONTH
    yield month.line(resource, "metrics of the fleet", "metric-month", count, _METRIC)
    calls = month.hosts * hours * SECONDS_PER_HOUR / TOLD_EVERY_S / 1000
    note = f"each host every {TOLD_EVERY_S} s"
    yield month.line(
        resource, "calls that carry them", "1k requests", calls, "cloudwatch.put_1k", note=note
    )
    if month.environment.fallback.exists:
        yield month.line(resource, "metrics of the switch", "metric-month", OF_SWITCH, _METRIC)
    own = month.hosts * month.usage.metrics_per_host
    if own:
        name = "metrics of one's own"
        yield month.line(resource, name, "metric-month", own, _METRIC, assumed=True)


def of_fleet(environment: Environment) -> int:
    """How many metrics the hosts' agents write, however many hosts there are."""
    return OF_ENGINES + OF_GPUS + len(tiers(environment))


PRICED: Mapping[str, Pricer] = {"llm-fleet:infra:Observability": metrics}
