"""What ``fab cost.compare`` says."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from provision.planning.cost.compare import Candidate, Comparison
from provision.planning.cost.fleet_price import ON_DEMAND, SPOT, HostPrice
from provision.planning.cost.money import cents
from provision.planning.cost.money import text as exact
from provision.report.table import names, table

UNKNOWN = "unknown"
UNVERIFIED = "~"
_HEADER = ("type", "GPUs", "replicas", "req/s", "start s", "$/h", "$/1M", "spot $/1M")
_MORE = ("hosts", "$/month")
_PER_1M = Decimal("0.0001")


def document(comparison: Comparison) -> dict[str, Any]:
    """For ``--json``. Money is a decimal string; what is unknown is null."""
    question = comparison.question
    return {
        "model": question.model.name,
        "region": question.region,
        "input_tokens": question.mix.input_tokens,
        "output_tokens": question.mix.output_tokens,
        "requests_per_month": question.requests,
        "peak_factor": exact(question.peak_factor),
        "candidates": [_candidate(one) for one in comparison.candidates],
        "cheapest": {pricing: _cheapest(comparison, pricing) for pricing in comparison.pricings},
        "not_sold": list(comparison.unsold),
        "price_date": comparison.price_date,
        "assumptions": dict(comparison.assumptions),
        "warnings": list(comparison.warnings),
    }


def text(comparison: Comparison) -> str:
    """The types that fit, the cheapest by the way to pay, and what was left out."""
    sections = [
        [_title(comparison)],
        _fitting_lines(comparison),
        _cheapest_lines(comparison),
        _left_out(comparison),
        ["assumptions", *table([(f"  {k}", v) for k, v in comparison.assumptions.items()])],
        _listed("warnings", comparison.warnings),
        _source_lines(comparison),
    ]
    return "\n\n".join("\n".join(section) for section in sections if section)


def _candidate(one: Candidate) -> dict[str, Any]:
    instance, sizing = one.sizing.instance, one.sizing
    return {
        "instance_type": one.name,
        "fits": sizing.fits,
        "reason": sizing.reason,
        "gpu": instance.gpu.name,
        "gpus": instance.gpus,
        "tensor_parallel_size": sizing.tensor_parallel_size,
        "replicas_per_host": sizing.replicas_per_host,
        "requests_per_s": None if one.capacity is None else exact(one.capacity.requests_per_s),
        "tokens_per_s": None if one.tokens_per_s is None else exact(one.tokens_per_s),
        "capacity_source": None if one.capacity is None else one.capacity.known.value,
        "start_time_s": one.start.total_s if one.start else None,
        "hosts": one.hosts,
        "pricing": {name: _price(one, price) for name, price in one.prices.items()},
    }


def _price(one: Candidate, price: HostPrice) -> dict[str, Any]:
    return {
        "usd_per_hour": exact(price.usd_per_hour),
        "usd_per_hour_range": [exact(p) for p in (price.low, price.high) if p is not None] or None,
        "upfront_usd": exact(price.upfront),
        "usd_per_1m_tokens": _exact_per_1m(one.usd_per_1m(price.pricing)),
        "usd_per_1m_tokens_full_load": _exact_per_1m(one.usd_per_1m_full(price.pricing)),
        "usd_per_month": _exact_cents(one.monthly(price.pricing)),
        "verified": not price.from_memory,
        "price_date": price.origin.as_of,
    }


def _cheapest(comparison: Comparison, pricing: str) -> dict[str, Any] | None:
    best = comparison.cheapest(pricing)
    if best is None:
        return None
    return {
        "instance_type": best.name,
        "hosts": best.hosts,
        "usd_per_1m_tokens": _exact_per_1m(best.usd_per_1m(pricing)),
        "usd_per_month": _exact_cents(best.monthly(pricing)),
    }


def _title(comparison: Comparison) -> str:
    question = comparison.question
    said = f"{question.model.name} in {question.region}, {question.mix} tokens a request"
    return f"{said}, {question.requests:,} requests a month" if question.requests else said


def _fitting_lines(comparison: Comparison) -> list[str]:
    if not comparison.fitting:
        return [f"{comparison.question.model.name} fits on none of these types"]
    header = (*_HEADER, *_MORE) if comparison.question.requests else _HEADER
    rows = [_row(one)[: len(header)] for one in comparison.fitting]
    return table(rows, header=header, right=range(2, len(header)))


def _row(one: Candidate) -> tuple[str, ...]:
    instance, sizing = one.sizing.instance, one.sizing
    split = f", {sizing.tensor_parallel_size} an engine" if sizing.tensor_parallel_size > 1 else ""
    price = one.prices.get(ON_DEMAND)
    return (
        one.name,
        f"{instance.gpus} x {instance.gpu.name}{split}",
        str(sizing.replicas_per_host),
        UNKNOWN if one.capacity is None else f"{one.capacity.requests_per_s:,.1f}",
        UNKNOWN if one.start is None else f"{one.start.total_s:g}",
        UNKNOWN if price is None else exact(price.usd_per_hour),
        _per_1m(one.usd_per_1m(ON_DEMAND)),
        _per_1m(one.usd_per_1m(SPOT)),
        UNKNOWN if one.hosts is None else f"{one.hosts:,}",
        _usd(one.monthly(ON_DEMAND)),
    )


def _cheapest_lines(comparison: Comparison) -> list[str]:
    rows = [
        (pricing, *_cheapest_row(best, pricing, known))
        for pricing in comparison.pricings
        if (best := comparison.cheapest(pricing)) is not None
        for known in [sum(pricing in one.prices for one in comparison.fitting)]
    ]
    asked = comparison.question.requests is not None
    header = ("cheapest as", "type", "$/h", "$/1M", *(_MORE if asked else ()), "priced", "of")
    cut = [row if asked else (*row[:4], *row[-2:]) for row in rows]
    return table(cut, header=header, right=range(2, len(header) - 2)) if rows else []


def _cheapest_row(best: Candidate, pricing: str, known: int) -> tuple[str, ...]:
    price = best.prices[pricing]
    mark = UNVERIFIED if price.from_memory else ""
    return (
        best.name,
        f"{mark}{exact(round(price.usd_per_hour, 6))}",
        f"{mark}{_per_1m(best.usd_per_1m(pricing))}",
        f"{best.hosts:,}" if best.hosts is not None else UNKNOWN,
        f"{mark}{_usd(best.monthly(pricing))}",
        f"{known} type" if known == 1 else f"{known} types",
        price.origin.as_of,
    )


def _left_out(comparison: Comparison) -> list[str]:
    small = [one for one in comparison.candidates if not one.sizing.fits]
    lines = [f"does not fit: {one.name} ({one.sizing.shortage})" for one in small[:3]]
    if small[3:]:
        lines.append(f"nor on {', '.join(one.name for one in small[3:])}")
    if comparison.unsold:
        lines.append(
            f"not sold in {comparison.question.region}: {names(comparison.unsold, limit=40)}"
        )
    return lines


def _source_lines(comparison: Comparison) -> list[str]:
    used = [one.prices for one in comparison.fitting]
    origins = [price.origin for prices in used for price in prices.values()]
    said = dict.fromkeys(f"{origin.source} ({origin.as_of})" for origin in origins)
    marked = any(price.from_memory for prices in used for price in prices.values())
    lines = [f"prices of {comparison.price_date}:", *(f"  {line}" for line in said)]
    return [*lines, f"{UNVERIFIED} nobody has verified this price"] if marked else lines


def _listed(title: str, lines: Sequence[str]) -> list[str]:
    return [title, *(f"  - {line}" for line in lines)] if lines else []


def _per_1m(value: Decimal | None) -> str:
    return UNKNOWN if value is None else f"{value:.3f}"


def _usd(value: Decimal | None) -> str:
    return UNKNOWN if value is None else f"{cents(value):,}"


def _exact_per_1m(value: Decimal | None) -> str | None:
    return None if value is None else exact(value.quantize(_PER_1M))


def _exact_cents(value: Decimal | None) -> str | None:
    return None if value is None else exact(cents(value))
