"""The switch: a function that is called every minute, and stays for most of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from provision.catalog.prices.price import MILLION
from provision.planning.cost.bill import Line, Unbilled
from provision.planning.cost.declared import Declared
from provision.planning.cost.money import HOURS_PER_MONTH
from provision.planning.cost.month import Month, Pricer

TICKS = HOURS_PER_MONTH * 60
WATCHED_S, GLANCE_S = 60, 2  # of a minute that the function runs, watching or with one look
LOOKS = 10  # in a minute that is watched
PROBE_KEY_S = 300  # it reads the probe key so often
MIB = 1024
_SECOND = {"arm64": "lambda.arm.gb_second", "x86_64": "lambda.x86.gb_second"}


def function(resource: Declared, month: Month) -> Iterator[Line | Unbilled]:
    """Its calls, and memory times time."""
    yield month.line(resource, "calls", "1M requests", TICKS / MILLION, "lambda.requests_1m")
    seconds = TICKS * (WATCHED_S if _watches(month) else GLANCE_S)
    gib = Decimal(int(resource.inputs["memorySize"])) / MIB
    (architecture,) = resource.inputs["architectures"]
    yield month.line(
        *(resource, "running", "GB-second", seconds * gib, _SECOND[architecture]),
        note="watches all the time" if _watches(month) else "looks once a minute",
    )


def switch(resource: Declared, month: Month) -> Iterator[Line | Unbilled]:
    """What it asks of Secrets Manager; the component stands for it."""
    asked = HOURS_PER_MONTH * 3600 / PROBE_KEY_S / 10_000
    item = "secrets.calls_10k"
    yield month.line(resource, "asks for the probe key", "10k calls", asked, item)


def looks(month: Month) -> Decimal:
    """How often it looks in a month in which all is well."""
    return TICKS * (LOOKS if _watches(month) else 1)


def _watches(month: Month) -> bool:
    return month.environment.fallback.switch.watch_when_well


PRICED: Mapping[str, Pricer] = {
    "aws:lambda/function:Function": function,
    "llm-fleet:infra:Switch": switch,
}
