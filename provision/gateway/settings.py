"""What the task was told by its definition: one JSON document in its environment, ``GATEWAY``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from provision.gateway.errors import SettingsError
from provision.gateway.money import Price

VARIABLE = "GATEWAY"


@dataclass(frozen=True, slots=True)
class Provider:
    """A hosted model: its group in LiteLLM's configuration, its price, and where its key is.

    *key_variable* is where LiteLLM looks for the key, *key_secret* where it is kept; both are None
    for Bedrock, which takes the task's role.
    """

    name: str
    group: str
    price: Price
    key_variable: str | None = None
    key_secret: str | None = None


@dataclass(frozen=True, slots=True)
class Caps:
    """What may be spent, in micro-dollars, and what holds while nobody knows."""

    table: str
    daily: int
    monthly: int | None
    open_when_unknown: bool
    allowance: int


@dataclass(frozen=True, slots=True)
class StaleSettings:
    """Where answers are kept, and how old one may be."""

    table: str
    max_age_s: int


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that the gateway knows about its environment.

    Attributes:
        names: under which clients know the model, the main one first.
        longest_tokens: prompt and answer together, as the fleet's own engine would take.
        answer_s: no answer takes longer, whoever gives it.
        listen: address and port for the front; *run* is the folder that they share.
        max_requests, max_rss_mib: one more, and another worker takes over.
        litellm: LiteLLM's configuration, as YAML.
    """

    environment: str
    region: str
    names: tuple[str, ...]
    longest_tokens: int
    providers: tuple[Provider, ...]
    caps: Caps
    stale: StaleSettings | None
    keys_secret: str
    answer_s: float
    listen: tuple[str, int]
    run: str
    max_requests: int
    max_rss_mib: int
    aws_endpoint_url: str | None
    litellm: str


def parse(text: str | None) -> Settings:
    """Read the document. Raises SettingsError naming what is missing or wrong."""
    if not text:
        raise SettingsError(f"the environment has no {VARIABLE}", hint="the task definition has it")
    try:
        return _settings(json.loads(text))
    except (LookupError, TypeError, ValueError, AttributeError, InvalidOperation) as error:
        raise SettingsError(
            f"{VARIABLE} is not as expected: {error!r}",
            hint="`pulumi up` with the version of llm-fleet that built the image",
        ) from None


def _settings(said: Mapping[str, Any]) -> Settings:
    stale = said["stale"]
    host, _, port = said["listen"].rpartition(":")
    return Settings(
        environment=said["environment"],
        region=said["region"],
        names=tuple(said["names"]),
        longest_tokens=int(said["longest_tokens"]),
        providers=tuple(_provider(one) for one in said["providers"]),
        caps=_caps(said["spend"]),
        stale=StaleSettings(stale["table"], int(stale["max_age_s"])) if stale else None,
        keys_secret=said["keys_secret"],
        answer_s=float(said["answer_s"]),
        listen=(host, int(port)),
        run=said["run"],
        max_requests=int(said["max_requests"]),
        max_rss_mib=int(said["max_rss_mib"]),
        aws_endpoint_url=said["aws_endpoint_url"],
        litellm=said["litellm"],
    )


def _provider(said: Mapping[str, Any]) -> Provider:
    return Provider(
        name=said["name"],
        group=said["group"],
        price=Price(Decimal(said["input_usd"]), Decimal(said["output_usd"])),
        key_variable=said["key_variable"],
        key_secret=said["key_secret"],
    )


def _caps(said: Mapping[str, Any]) -> Caps:
    monthly = said["monthly_micro_usd"]
    return Caps(
        table=said["table"],
        daily=int(said["daily_micro_usd"]),
        monthly=None if monthly is None else int(monthly),
        open_when_unknown=said["when_unknown"] == "open",
        allowance=int(said["allowance_micro_usd"]),
    )
