"""What a bill assumes, in words, and what no preview can know."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal

from provision.planning.cost.month import Month
from provision.planning.cost.resources.balancing import capacity_units
from provision.planning.cost.resources.hosted import api_name
from provision.planning.cost.usage import Usage

LEFT_OUT = (
    "taxes, support plans, discounts of your contract and credits",
    "free tiers: ten alarms, three dashboards, 5 GB of logs, 100 GB out to the internet",
    "what clients pay on their side: their own traffic to the load balancer's zone, VPN, peering",
    "prompts and answers on their way to a hosted API that no gateway of ours asks",
    "CloudTrail; KMS requests (some dozens)",
    "fetching weights and images the first time, and hosts that run twice during a replacement",
)


def assumptions(month: Month) -> dict[str, str]:
    """Every key of ``--usage`` with its value, and what follows from resources."""
    named = {field.name: getattr(month.usage, field.name) for field in fields(Usage)}
    if named["internet_share"] is None:
        named["internet_share"] = "1 if internet-facing, else 0"
    named["fallback_api"] = api_name(month)
    return {
        **{_KEYS.get(name, name): _plain(value) for name, value in named.items()},
        "hosts": _hosts(month),
        "load_balancer_capacity_units": f"{capacity_units(month):.4f} on average",
        "weights_gb": "unknown" if month.weights_gb is None else _plain(month.weights_gb),
    }


def _hosts(month: Month) -> str:
    most = sum(group.max_hosts for group in month.groups)
    grown = f"; the group may grow to {most}" if most > month.hosts else ""
    return f"{month.hosts}{grown}"


def _plain(value: object) -> str:
    return format(value.normalize(), "f") if isinstance(value, Decimal) else str(value)


_KEYS = {"requests": "requests_per_month", "hours": "hours_per_month"}
