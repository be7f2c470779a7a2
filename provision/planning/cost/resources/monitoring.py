"""CloudWatch: logs, alarms, dashboards. Free tiers are left for other things to use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from provision.planning.cost.bill import Line, Unbilled
from provision.planning.cost.declared import Declared
from provision.planning.cost.month import Month, Pricer
from provision.planning.cost.resources.hosted import hosted_requests
from provision.planning.cost.resources.switch import looks

DAYS_PER_MONTH = Decimal(365) / 12
KEPT_FOR_EVER_DAYS = 365  # a group without retention is priced as it stands after a year
KIB_PER_GB = 2**20
GATEWAY_KIB = 1  # that the gateway and its front write for a hosted request
SWITCH_KIB = Decimal("1.25")  # that the switch writes for a look
_FALLBACK = ("gateway", "switch")  # components with a log of their own


def log_group(resource: Declared, month: Month) -> Iterator[Line | Unbilled]:
    """What is written, what is kept of it, and what people search of the hosts'."""
    written = _written(resource, month)
    days = int(resource.inputs.get("retentionInDays") or KEPT_FOR_EVER_DAYS)
    kept, scanned = written * days / DAYS_PER_MONTH, month.usage.logs_scanned_gb
    yield month.line(resource, "logs written", "GB", written, "logs.ingest_gb", assumed=True)
    yield month.line(
        resource,
        "logs kept",
        "GB-month",
        kept,
        "logs.storage_gb_month",
        assumed=True,
        note=f"for {days} days",
    )
    if resource.parent not in _FALLBACK:
        yield month.line(resource, "logs searched", "GB", scanned, "logs.scanned_gb", assumed=True)


def _written(resource: Declared, month: Month) -> Decimal:
    if resource.parent == "gateway":
        return hosted_requests(month) * GATEWAY_KIB / KIB_PER_GB
    if resource.parent == "switch":
        return looks(month) * SWITCH_KIB / KIB_PER_GB
    return month.hosts * month.usage.logs_gb_per_host


def alarm(resource: Declared, month: Month) -> Iterator[Line | Unbilled]:
    """By the metrics that it looks at, more when it looks more often than each minute."""
    queries = resource.inputs.get("metricQueries", ())
    looked_at = [query["metric"] for query in queries if "metric" in query] or [resource.inputs]
    often = any(int(metric.get("period", 60)) < 60 for metric in looked_at)
    item = "cloudwatch.alarm_high_resolution_month" if often else "cloudwatch.alarm_month"
    name = "alarm, high resolution" if often else "alarm"
    yield month.line(resource, name, "alarm-month", len(looked_at), item)


def composite_alarm(resource: Declared, month: Month) -> Iterator[Line | Unbilled]:
    """One price, whatever it is composed of."""
    item = "cloudwatch.alarm_composite_month"
    yield month.line(resource, "composite alarm", "alarm-month", 1, item)


def dashboard(resource: Declared, month: Month) -> Iterator[Line | Unbilled]:
    """One dashboard."""
    item = "cloudwatch.dashboard_month"
    yield month.line(resource, "dashboard", "dashboard-month", 1, item)


PRICED: Mapping[str, Pricer] = {
    "aws:cloudwatch/logGroup:LogGroup": log_group,
    "aws:cloudwatch/metricAlarm:MetricAlarm": alarm,
    "aws:cloudwatch/compositeAlarm:CompositeAlarm": composite_alarm,
    "aws:cloudwatch/dashboard:Dashboard": dashboard,
}
