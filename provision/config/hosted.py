"""Hosted providers by LiteLLM's names (``openai/gpt-4o-mini``): their secrets and their prices."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from decimal import Decimal

from provision.catalog.lookup import nearest
from provision.catalog.prices.book import PriceBook
from provision.catalog.prices.load import load
from provision.catalog.prices.price import Origin, Status
from provision.config.environment import Environment
from provision.errors import Problem

# They take a key and nothing else. Bedrock takes the task's own role.
KEYED = (
    "anthropic", "cerebras", "deepinfra", "fireworks_ai", "gemini", "groq", "hyperbolic", "nebius",
    "novita", "openai", "together_ai",
)  # fmt: skip
BEDROCK = "bedrock"
COMPANIES = (BEDROCK, *KEYED)

DEFAULT_API = "gpt-4o-mini"  # whose price a bill takes where nobody says who answers
_OWN = Origin("the environment's file", "undated", Status.OVERRIDE)


@dataclass(frozen=True, slots=True)
class TokenPrice:
    """US dollars per million tokens, which are micro-dollars per token."""

    input_usd: Decimal
    output_usd: Decimal
    origin: Origin


def company(provider: str) -> str:
    """Who serves it: ``openai`` of ``openai/gpt-4o-mini``."""
    return provider.partition("/")[0]


def model_name(provider: str) -> str:
    """Their name for it: ``gpt-4o-mini`` of ``openai/gpt-4o-mini``."""
    return provider.partition("/")[2]


def key_secret(environment: Environment, of: str) -> str:
    """The secret that holds the API key of a company."""
    return f"{environment.secret_root}/{of}-api-key"


def key_secrets(environment: Environment) -> dict[str, str]:
    """Company -> secret, for every key that the providers need, in their order."""
    companies = dict.fromkeys(company(name) for name in environment.fallback.providers)
    return {of: key_secret(environment, of) for of in companies if of in KEYED}


def missing_keys(environment: Environment, with_value: Collection[str]) -> Iterator[Problem]:
    """A problem for each secret that is needed and not among those that hold something."""
    for of, secret in key_secrets(environment).items():
        if secret not in with_value:
            yield Problem(
                "fallback.providers",
                f"{of} needs an API key, and the secret {secret} holds none",
                f"aws secretsmanager put-secret-value --secret-id {secret}"
                " --secret-string file://KEY, or take the provider out",
            )


def token_price(environment: Environment, provider: str, book: PriceBook) -> TokenPrice | None:
    """What a provider takes: what the environment says, else the book; None when nobody knows."""
    fallback = environment.fallback
    given = (
        fallback.input_usd_per_million.get(provider),
        fallback.output_usd_per_million.get(provider),
    )
    if given[0] is not None and given[1] is not None:
        return TokenPrice(Decimal(str(given[0])), Decimal(str(given[1])), _OWN)
    name = book_name(provider, book)
    if name is None:
        return None
    known = book.hosted[name]
    return TokenPrice(known.input_usd, known.output_usd, known.origin)


def book_name(provider: str, book: PriceBook) -> str | None:
    """The book's name for a provider's model; None when it does not know it."""
    for name in (provider, model_name(provider)):
        known = book.hosted.get(name)
        if known is not None and known.provider.startswith(company(provider)):
            return name
    return None


def problems(environment: Environment) -> Iterator[Problem]:
    """Providers whose tokens have no price: what they cost could not be counted."""
    book = load()
    for index, provider in enumerate(environment.fallback.providers):
        if company(provider) not in COMPANIES or token_price(environment, provider, book):
            continue
        close = nearest(model_name(provider), _names(book, company(provider)))
        meant = f"did you mean {company(provider)}/{close[0]}? Else write" if close else "write"
        yield Problem(
            f"fallback.providers[{index}]",
            f"nobody knows what {provider} costs: its spend could not be capped",
            f"{meant} it into fallback.input_usd_per_million and fallback.output_usd_per_million",
        )


def _names(book: PriceBook, of: str) -> list[str]:
    return [
        name.removeprefix(f"{of}/")
        for name, model in book.hosted.items()
        if model.provider.startswith(of)
    ]
