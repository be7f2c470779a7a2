"""The Jinja2 set-up of the report: unlike the files for hosts, everything in it is escaped."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from provision.catalog.prices.price import Status
from provision.render.templates import FOLDER
from provision.report.html import words
from provision.report.table import seconds

_SURENESS = {
    Status.SEEN: "seen in the source",
    Status.DERIVED: "computed from prices that were seen",
    Status.MEMORY: "~\u00a0unverified",
    Status.REFRESHED: "asked of AWS",
    Status.OVERRIDE: "written by the team",
}


def render(template: str, **values: Any) -> str:
    """Fill in ``templates/report/<template>``. A value that is missing is an error."""
    return _environment().get_template(f"report/{template}").render(**values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        usd=words.usd,
        exact_usd=words.exact_usd,
        unit_price=words.unit_price,
        mark=words.mark,
        quantity=words.quantity,
        count=words.count,
        share=words.share,
        change=words.change,
        days=words.days,
        grouped=words.grouped,
        code=_code,
        pricing=words.pricing,
        pricings=words.pricings,
        pricing_short=words.pricing_short,
        rate=words.rate,
        seconds=seconds,
        sureness=_SURENESS.__getitem__,
        px=_pixels,
    )
    return environment


def _code(text: str) -> Markup:
    """Words between backticks as code; all of it escaped."""
    pieces = text.split("`")
    if len(pieces) % 2 == 0:  # one that is left alone
        return escape(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if place % 2 else piece
        for place, piece in enumerate(pieces)
    )


def _pixels(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
