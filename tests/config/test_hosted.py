"""Hosted providers: the secrets that they need, and what their tokens cost."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from provision.catalog.prices.load import load
from provision.config import hosted
from provision.config.environment import Environment
from provision.config.fallback import FallbackSettings
from tests.config.environments import SMALL

GPT, CLAUDE = "openai/gpt-4o-mini", "anthropic/claude-haiku-4-5"
MISTRAL = "bedrock/mistral.mistral-7b-instruct-v0:2"


def away(*providers: str, **said: object) -> Environment:
    return replace(SMALL, fallback=FallbackSettings(providers=providers, **said))  # type: ignore[arg-type]


def test_every_company_with_a_key_has_a_secret_of_its_own() -> None:
    """Two models of one company share a key; Bedrock takes the task's role."""
    assert hosted.key_secrets(away(GPT, MISTRAL, "openai/gpt-4o", CLAUDE)) == {
        "openai": "llm-fleet/prod/openai-api-key",
        "anthropic": "llm-fleet/prod/anthropic-api-key",
    }


def test_a_secret_without_a_value_is_named() -> None:
    """Whoever deploys is told which secret lacks a key, and how to put one there."""
    (problem,) = hosted.missing_keys(away(GPT, CLAUDE), {"llm-fleet/prod/openai-api-key"})
    assert problem.path == "fallback.providers"
    assert "the secret llm-fleet/prod/anthropic-api-key holds none" in problem.message
    assert "put-secret-value --secret-id llm-fleet/prod/anthropic-api-key" in problem.hint


def test_prices_come_from_the_book() -> None:
    """Under the full name or under the model's, and only of that company."""
    book = load()
    price = hosted.token_price(away(GPT), GPT, book)
    assert price is not None
    assert (price.input_usd, price.output_usd) == (Decimal("0.15"), Decimal("0.6"))
    assert hosted.token_price(away(MISTRAL), MISTRAL, book) is not None
    assert hosted.token_price(away(), "groq/openai/gpt-oss-20b", book) is not None
    assert hosted.token_price(away(), "anthropic/gpt-4o-mini", book) is None
    assert hosted.token_price(away(), "openai/unheard-of", book) is None


def test_an_environment_may_price_what_the_book_lacks() -> None:
    """Both sides are given, and then nobody is asked."""
    mine = away("openai/mine", input_usd_per_million={"openai/mine": 0.1})
    assert hosted.token_price(mine, "openai/mine", load()) is None
    both = away(
        "openai/mine",
        input_usd_per_million={"openai/mine": 0.1},
        output_usd_per_million={"openai/mine": 0.0},
    )
    price = hosted.token_price(both, "openai/mine", load())
    assert price is not None
    assert (price.input_usd, price.output_usd) == (Decimal("0.1"), Decimal("0.0"))
    assert list(hosted.problems(both)) == []
    assert len(list(hosted.problems(mine))) == 1
