"""What the fallback costs: requests that a hosted API answers. No resource of the program is it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from provision.catalog.prices.price import MILLION, HostedModel, Price
from provision.config import hosted
from provision.planning.cost.bill import Line
from provision.planning.cost.declared import Declared
from provision.planning.cost.money import HOURS_PER_MONTH
from provision.planning.cost.month import Month, line
from provision.planning.cost.usage import SECONDS_PER_HOUR

FALLBACK = Declared("hosted-api", "fallback", "", {})
PROOF_TOKENS = (20, 1)  # of the switch's own question, and of its answer


@dataclass(frozen=True, slots=True)
class _Api:
    """Who answers; a price is None when nobody knows it."""

    name: str
    prompts: Price | None
    answers: Price | None


def fallback(month: Month) -> Iterator[Line]:
    """Prompts and answers of the share that falls back, and of the switch's own questions; nothing
    when there is neither.

    Raises CatalogError with the nearest names for an API that nobody knows.
    """
    usage, asked = month.usage, proofs(month)
    falls_back = usage.requests * usage.fallback_share
    if falls_back:
        yield from _lines(month, falls_back, (usage.input_tokens, usage.output_tokens), "")
    if asked:
        yield from _lines(month, asked, PROOF_TOKENS, " of the switch's own")


def proofs(month: Month) -> Decimal:
    """How often the switch asks for a hosted token in a month in which all is well."""
    settings = month.environment.fallback
    if not settings.exists:
        return Decimal(0)
    return HOURS_PER_MONTH * SECONDS_PER_HOUR / Decimal(str(settings.switch.proof_every_s))


def hosted_requests(month: Month) -> Decimal:
    """All that the gateways pass on."""
    return month.usage.requests * month.usage.fallback_share + proofs(month)


def api_name(month: Month) -> str:
    """Who answers what falls back: as the usage says, else the first of the environment's own."""
    own = month.environment.fallback.providers
    return month.usage.fallback_api or (own[0] if own else hosted.DEFAULT_API)


def api_in_book(month: Month) -> HostedModel | None:
    """The same as the price book has it; None for one that only the environment prices."""
    name, book = api_name(month), month.book
    known = name if name in book.hosted else hosted.book_name(name, book)
    return book.hosted[known] if known else None


def _lines(month: Month, requests: Decimal, tokens: tuple[int, int], whose: str) -> Iterator[Line]:
    api = _api(month)
    lacking = f"nobody knows what {api.name} costs" if api.prompts is None else ""
    for name, count, price in (
        ("prompts", tokens[0], api.prompts),
        ("answers", tokens[1], api.answers),
    ):
        yield line(
            FALLBACK,
            f"{api.name}, {name}{whose}",
            "1M tokens",
            requests * count / MILLION,
            price,
            assumed=True,
            note=lacking,
        )


def _api(month: Month) -> _Api:
    name, said = api_name(month), month.usage.fallback_api
    if month.environment.fallback.exists and said is None:
        known = hosted.token_price(month.environment, name, month.book)
        if known is None:
            return _Api(name, None, None)
        return _Api(name, _per_million(known), _per_million(known, answers=True))
    api = month.book.hosted_model(name)
    known = hosted.TokenPrice(api.input_usd, api.output_usd, api.origin)
    return _Api(api.name, _per_million(known), _per_million(known, answers=True))


def _per_million(known: hosted.TokenPrice, *, answers: bool = False) -> Price:
    return Price(known.output_usd if answers else known.input_usd, "1M tokens", known.origin)
