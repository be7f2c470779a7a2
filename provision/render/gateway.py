"""What the gateway is told: LiteLLM's configuration, and the document in its environment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from provision.catalog.model import Model
from provision.catalog.prices.book import PriceBook
from provision.config import hosted
from provision.config.environment import Environment
from provision.config.fallback import FallbackSettings
from provision.config.hosted import TokenPrice
from provision.errors import ConfigError, Problem
from provision.render.places import GATEWAY_PORT, GATEWAY_RUN
from provision.render.templates import render

MICRO = 1_000_000
MAX_REQUESTS = 50_000
TABLE_KEY = "pk"  # of both tables, a string
STALE_TTL = "expires"  # the attribute by which DynamoDB forgets
# Beside the workers, of which there are two while one takes over from the other: the supervisor and
# the front.
OTHERS_MIB = 256


@dataclass(frozen=True, slots=True)
class Group:
    """One provider in LiteLLM's configuration; *api_base* only where it is not its own address."""

    name: str
    group: str
    price: TokenPrice
    key_variable: str | None
    key_secret: str | None
    api_base: str | None = None


def spend_table(environment: Environment) -> str:
    """The DynamoDB table of the counter."""
    return f"{environment.prefix}-spend"


def stale_table(environment: Environment) -> str:
    """The DynamoDB table of kept answers."""
    return f"{environment.prefix}-stale"


def groups(
    environment: Environment, book: PriceBook, *, api_bases: Mapping[str, str] | None = None
) -> tuple[Group, ...]:
    """The providers in their order; *api_bases* lead some of them elsewhere (rehearsal).

    Raises ConfigError for one whose price nobody knows.
    """
    bases = api_bases or {}
    served = environment.model.served_name or environment.model.name
    found = []
    for index, provider in enumerate(environment.fallback.providers):
        price = hosted.token_price(environment, provider, book)
        if price is None:
            raise _unpriced(environment, index, provider)
        of = hosted.company(provider)
        keyed = of in hosted.KEYED
        found.append(
            Group(
                name=provider,
                group=served if index == 0 else f"{served}, {index + 1}",
                price=price,
                key_variable=f"{of.upper()}_API_KEY" if keyed else None,
                key_secret=hosted.key_secret(environment, of) if keyed else None,
                api_base=bases.get(provider),
            )
        )
    return tuple(found)


def litellm_config(environment: Environment, providers: tuple[Group, ...]) -> str:
    """LiteLLM's ``config.yaml``, without any secret."""
    fallback = environment.fallback
    first, *others = [one.group for one in providers]
    return render(
        "litellm.yaml",
        providers=providers,
        region=environment.region,
        fallbacks=[{first: others}] if others else [],
        timeout_s=fallback.timeout_s,
        first_byte_s=fallback.first_byte_s,
        allowed_fails=fallback.allowed_fails,
        cooldown_s=fallback.cooldown_s,
        redis_url=fallback.redis_url,
    )


def gateway_document(
    environment: Environment,
    *,
    model: Model,
    book: PriceBook,
    api_bases: Mapping[str, str] | None = None,
    listen: str = f"127.0.0.1:{GATEWAY_PORT}",
    run: str = GATEWAY_RUN,
) -> str:
    """The variable ``GATEWAY`` of the task, as provision.gateway.settings reads it; no secret.

    Raises ConfigError for a provider whose price nobody knows.
    """
    fallback = environment.fallback
    providers = groups(environment, book, api_bases=api_bases)
    served = environment.model.served_name or environment.model.name
    document = {
        "environment": environment.name,
        "region": environment.region,
        "names": list(dict.fromkeys((served, model.name, model.repository))),
        "longest_tokens": environment.engine.max_model_len,
        "answer_s": answer_s(environment),
        "providers": [_provider(one) for one in providers],
        "spend": _spend(environment),
        "stale": _stale(environment),
        "keys_secret": f"{environment.secret_root}/client-keys",
        "listen": listen,
        "run": run,
        "max_requests": MAX_REQUESTS,
        "max_rss_mib": (fallback.task_memory_mib - OTHERS_MIB) // 2,
        "aws_endpoint_url": environment.aws.endpoint_url,
        "litellm": litellm_config(environment, providers),
    }
    return json.dumps(document)


def answer_s(environment: Environment) -> int:
    """No hosted answer takes longer: every provider's time, and the longest answer's."""
    fallback = environment.fallback
    return len(fallback.providers) * fallback.timeout_s + environment.engine.longest_generation_s


def switch_policy(fallback: FallbackSettings) -> dict[str, Any]:
    """The policy that the switch is told, under its own names."""
    switch = fallback.switch
    named = {name: getattr(switch, name) for name in switch.__slots__}
    return {
        **named,
        "ramp": list(switch.ramp),
        "daily_cap_usd": None if fallback.daily_usd is None else str(fallback.daily_usd),
        "trip_without_spend": fallback.when_spend_unknown.value == "open",
    }


def _provider(one: Group) -> dict[str, str | None]:
    return {
        "name": one.name,
        "group": one.group,
        "input_usd": str(one.price.input_usd),
        "output_usd": str(one.price.output_usd),
        "key_variable": one.key_variable,
        "key_secret": one.key_secret,
    }


def _spend(environment: Environment) -> dict[str, Any]:
    fallback = environment.fallback
    return {
        "table": spend_table(environment),
        "daily_micro_usd": _micro(fallback.daily_usd or 0.0),
        "monthly_micro_usd": None if fallback.monthly_usd is None else _micro(fallback.monthly_usd),
        "when_unknown": fallback.when_spend_unknown.value,
        "allowance_micro_usd": _micro(fallback.unknown_allowance_usd),
    }


def _stale(environment: Environment) -> dict[str, Any] | None:
    if not environment.fallback.stale_answers:
        return None
    hours = environment.fallback.stale_max_age_h
    return {"table": stale_table(environment), "max_age_s": hours * 3600}


def _micro(usd: float) -> int:
    return int(Decimal(str(usd)) * MICRO)


def _unpriced(environment: Environment, index: int, provider: str) -> ConfigError:
    return ConfigError(
        f"environment {environment.name}",
        [
            Problem(
                f"fallback.providers[{index}]",
                f"nobody knows what {provider} costs: its spend could not be capped",
                "write it into fallback.input_usd_per_million and fallback.output_usd_per_million",
            )
        ],
    )
