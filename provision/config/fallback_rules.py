"""What the values of ``fallback`` may be, each for itself and to each other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from urllib.parse import urlsplit

from provision.config import switch_place
from provision.config.environment import Egress, Environment
from provision.config.hosted import BEDROCK, COMPANIES, company
from provision.config.images import PUBLIC, registry
from provision.config.relation import Relation
from provision.config.rule import IMAGE, Rule, between, one_of
from provision.config.timeouts import chain
from provision.errors import Problem

# What Fargate sells: memory in steps of 1 GiB for each size of processor.
FARGATE_GIB = {256: (1, 2), 512: (1, 4), 1024: (2, 8), 2048: (4, 16), 4096: (8, 30)}
# LiteLLM takes about 450 MiB, twice while one worker takes over from another; then the front.
LEAST_MEMORY_MIB = 2048


def is_provider(text: str) -> bool:
    """A company that the gateway knows how to ask, and a model of it."""
    return company(text) in COMPANIES and bool(re.fullmatch(r"[\w./:@-]+", text.partition("/")[2]))


def is_price_list(prices: Mapping[str, float]) -> bool:
    """Prices by provider, none below zero."""
    return all(is_provider(name) and 0 <= usd <= 10_000 for name, usd in prices.items())


def is_redis_url(text: str) -> bool:
    """A Redis without a password in its URL: nothing secret stands in an environment's file."""
    try:
        url = urlsplit(text)
    except ValueError:
        return False
    plain = url.username is None and url.password is None
    return url.scheme in ("redis", "rediss") and bool(url.hostname) and plain


_PROVIDER = Rule(
    f"a company and its model, like openai/gpt-4o-mini; companies are {', '.join(COMPANIES)}",
    is_provider,
)
_PRICES = Rule("US dollars per million tokens by provider, 0 to 10,000", is_price_list)

RULES: dict[str, Rule] = {
    "fallback.providers": _PROVIDER,
    "fallback.input_usd_per_million": _PRICES,
    "fallback.output_usd_per_million": _PRICES,
    "fallback.daily_usd": between(0, 1_000_000, "US dollars a day"),
    "fallback.monthly_usd": between(0, 30_000_000, "US dollars a month"),
    "fallback.unknown_allowance_usd": between(0, 10_000, "US dollars"),
    "fallback.timeout_s": between(1, 3600, "seconds"),
    "fallback.first_byte_s": between(1, 600, "seconds"),
    "fallback.allowed_fails": between(0, 100, "failures"),
    "fallback.cooldown_s": between(1, 3600, "seconds"),
    "fallback.stale_max_age_h": between(1, 720, "hours"),
    "fallback.tasks": between(1, 20, "tasks"),
    "fallback.task_cpu": one_of(tuple(FARGATE_GIB)),
    "fallback.task_memory_mib": between(LEAST_MEMORY_MIB, 30_720, "MiB"),
    "fallback.image": IMAGE,
    "fallback.redis_url": Rule("a Redis without a password, like redis://host:6379", is_redis_url),
    "fallback.switch.partial_share": between(1, 99, "percent"),
    "fallback.switch.ramp": between(1, 99, "percent"),
    "fallback.switch.ramp_step_s": between(1, 3600, "seconds"),
    "fallback.switch.hold_s": between(1, 86_400, "seconds"),
    "fallback.switch.hold_cap_s": between(1, 86_400, "seconds"),
    "fallback.switch.retrip_window_s": between(1, 86_400, "seconds"),
    "fallback.switch.trips_a_day": between(1, 100, "trips"),
    "fallback.switch.probes": between(1, 100, "good tokens in a row"),
    "fallback.switch.probes_span_s": between(1, 3600, "seconds"),
    "fallback.switch.slo_ttft_s": between(0.1, 60, "seconds"),
    "fallback.switch.token_deadline_s": between(0.1, 60, "seconds"),
    "fallback.switch.hosted_deadline_s": between(0.1, 60, "seconds"),
    "fallback.switch.proof_every_s": between(10, 86_400, "seconds"),
}


def _network(env: Environment) -> Iterator[Problem]:
    """Without NAT nothing outside AWS is reached."""
    if env.network.egress is not Egress.ENDPOINTS or not env.fallback.exists:
        return
    for index, provider in enumerate(env.fallback.providers):
        if company(provider) != BEDROCK:
            yield Problem(
                f"fallback.providers[{index}]",
                f"without NAT nobody reaches {company(provider)}",
                "only bedrock/... can be reached, or use network.egress: nat",
            )
    if registry(env.fallback.image) in PUBLIC:
        yield Problem(
            "fallback.image",
            f"hosts without NAT can't reach {registry(env.fallback.image)}",
            "name a mirror inside the network, or use network.egress: nat",
        )


def _order(env: Environment) -> Iterator[Problem]:
    providers = env.fallback.providers
    for index, provider in enumerate(providers):
        if provider in providers[:index]:
            yield Problem(f"fallback.providers[{index}]", f"{provider} stands there already")


def _prices(env: Environment) -> Iterator[Problem]:
    """A price has two sides, and is of a provider that is asked."""
    sides = {
        "fallback.input_usd_per_million": env.fallback.input_usd_per_million,
        "fallback.output_usd_per_million": env.fallback.output_usd_per_million,
    }
    for path, prices in sides.items():
        other = next(name for name in sides if name != path)
        for provider in prices:
            if provider not in env.fallback.providers:
                yield Problem(f"{path}.{provider}", "is not one of fallback.providers")
            elif provider not in sides[other]:
                yield Problem(f"{other}.{provider}", "is missing", "a price has two sides")


def _caps(env: Environment) -> Iterator[Problem]:
    fallback = env.fallback
    if fallback.exists and fallback.daily_usd is None:
        yield Problem(
            "fallback.daily_usd",
            "is missing: an outage would be paid without a limit",
            "say what the hosted APIs may cost in one day",
        )
    for name, cap in (("daily_usd", fallback.daily_usd), ("monthly_usd", fallback.monthly_usd)):
        if fallback.exists and cap == 0:
            yield Problem(
                f"fallback.{name}",
                "0: the gateway would be paid for and could ask nobody, and the switch never trip",
                "a cap above 0, or take fallback.providers out",
            )
    if fallback.daily_usd and fallback.monthly_usd and fallback.monthly_usd < fallback.daily_usd:
        yield Problem(
            "fallback.monthly_usd",
            f"{fallback.monthly_usd:g} is less than fallback.daily_usd, {fallback.daily_usd:g}",
        )


def _times(env: Environment) -> Iterator[Problem]:
    """All providers one after the other, within what the front waits for an answer."""
    fallback = env.fallback
    if fallback.first_byte_s > fallback.timeout_s:
        yield Problem(
            "fallback.first_byte_s",
            f"{fallback.first_byte_s} is more than fallback.timeout_s, {fallback.timeout_s}",
        )
    # LiteLLM forgets a failure after the cooldown: of silent providers there must be enough in it.
    silence = fallback.allowed_fails * fallback.timeout_s
    if fallback.cooldown_s <= silence:
        yield Problem(
            "fallback.cooldown_s",
            f"{fallback.cooldown_s} s is not more than {silence} s (allowed_fails x timeout_s): a"
            " silent provider would be asked again and again",
            "a longer cooldown, or a shorter fallback.timeout_s",
        )
    patience = chain(env.engine).front_read_s
    longest = len(fallback.providers) * fallback.timeout_s
    if longest > patience:
        yield Problem(
            "fallback.timeout_s",
            f"{len(fallback.providers)} provider(s) may take {longest} s; the front waits"
            f" {patience} s",
            f"at most {patience // len(fallback.providers)}, or a longer"
            " engine.longest_generation_s",
        )


def _size(env: Environment) -> Iterator[Problem]:
    fallback = env.fallback
    least, most = FARGATE_GIB[fallback.task_cpu]
    if fallback.task_memory_mib % 1024 or not least <= fallback.task_memory_mib // 1024 <= most:
        yield Problem(
            "fallback.task_memory_mib",
            f"Fargate has no task of {fallback.task_cpu} CPU units and {fallback.task_memory_mib}"
            " MiB",
            f"{max(2, least)} to {most} times 1024",
        )


def _switch(env: Environment) -> Iterator[Problem]:
    """What the switch itself would refuse at its first look."""
    switch = env.fallback.switch
    if any(here >= there for here, there in pairwise(switch.ramp)):
        yield Problem("fallback.switch.ramp", f"{list(switch.ramp)} does not rise")
    if switch.partial_share in switch.ramp:
        yield Problem(
            "fallback.switch.partial_share",
            f"{switch.partial_share} is a step of the ramp: nobody could tell them apart",
        )
    pairs = (("hold_cap_s", "hold_s"), ("token_deadline_s", "slo_ttft_s"))
    for longer, shorter in pairs:
        low, high = getattr(switch, shorter), getattr(switch, longer)
        if high < low:
            yield Problem(f"fallback.switch.{longer}", f"{high:g} is less than {shorter}, {low:g}")


RELATIONS = (
    Relation(
        (
            "network.egress",
            "fallback.providers",
            "load_balancer.scheme",
            "load_balancer.allowed_cidrs",
        ),
        switch_place.problems,
    ),
    Relation(("network.egress", "fallback.providers", "fallback.image"), _network),
    Relation(("fallback.providers",), _order),
    Relation(
        (
            "fallback.providers",
            "fallback.input_usd_per_million",
            "fallback.output_usd_per_million",
        ),
        _prices,
    ),
    Relation(("fallback.providers", "fallback.daily_usd", "fallback.monthly_usd"), _caps),
    Relation(
        (
            "fallback.providers",
            "fallback.timeout_s",
            "fallback.first_byte_s",
            "fallback.allowed_fails",
            "fallback.cooldown_s",
            "engine.longest_generation_s",
        ),
        _times,
    ),
    Relation(("fallback.task_cpu", "fallback.task_memory_mib"), _size),
    Relation(
        (
            "fallback.switch.partial_share",
            "fallback.switch.ramp",
            "fallback.switch.hold_s",
            "fallback.switch.hold_cap_s",
            "fallback.switch.slo_ttft_s",
            "fallback.switch.token_deadline_s",
        ),
        _switch,
    ),
)
