"""What a way out is billed for. Everything costs a dollar a unit here."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from infra import gateway as declared_gateway
from provision.catalog.prices.book import PriceBook
from provision.config.environment import Egress, EngineSettings, Environment, FrontSettings
from provision.config.fallback import FallbackSettings, SwitchSettings
from provision.config.timeouts import chain
from provision.gateway import supervisor
from provision.planning.cost.bill import Line
from provision.planning.cost.declared import Declared
from provision.planning.cost.invoice import PRICED, invoice
from provision.planning.cost.month import Month
from provision.planning.cost.resources import gateway, hosted, switch
from provision.render.front import Spill, nginx_config
from provision.switch import asker
from provision.switch.policy import Policy
from tests.planning.cost.months import BOOK, ENVIRONMENT, declared, month

FALLBACK = FallbackSettings(providers=("openai/gpt-4o-mini",), daily_usd=5.0)
AWAY = replace(ENVIRONMENT, fallback=FALLBACK)
PROOFS = Decimal(8760)  # one every 300 s
FUNCTION = declared("aws:lambda/function:Function", memorySize=256, architectures=["arm64"])
TABLE = "aws:dynamodb/table:Table"
ENDPOINTS = replace(ENVIRONMENT.network, egress=Egress.ENDPOINTS)


def at(resource: Declared, environment: Environment = AWAY, **usage: Any) -> Month:
    return replace(month(resource, **usage), environment=environment)


def billed(resource: Declared, environment: Environment = AWAY, **usage: Any) -> dict[str, str]:
    """Quantities by the names of the lines."""
    said = list(PRICED[resource.type](resource, at(resource, environment, **usage)))
    return {one.name: f"{one.quantity.normalize():f}" for one in said if isinstance(one, Line)}


def fallback(**changes: Any) -> Environment:
    return replace(AWAY, fallback=replace(FALLBACK, **changes))


def test_tasks_are_billed_though_pulumi_makes_none() -> None:
    """A deploy fills the service."""
    service = declared("aws:ecs/service:Service", desiredCount=0)
    assert billed(service) == {"processors": "1460", "memory": "2920"}
    large = fallback(tasks=3, task_cpu=2048, task_memory_mib=4096)
    assert billed(service, large) == {"processors": "4380", "memory": "8760"}


def test_what_tasks_ask_tell_and_pass_on() -> None:
    """Two tasks: client keys every 15 s, one provider's every 60 s; a GB each way."""
    component = declared("llm-fleet:infra:Gateway")
    assert billed(component) == {"tasks ask for keys": "43.8", "metrics": "6"}
    usage = {"input_tokens": 1024, "bytes_per_input_token": 1, "output_tokens": 2048}
    usage |= {"bytes_per_output_token": 1, "requests": Decimal(2**21)}
    share: dict[str, Any] = {"fallback_share": Decimal("0.5"), **usage}
    assert billed(component, **share) == {
        "tasks ask for keys": "43.8",
        "metrics": "6",
        "hosted traffic through NAT": "3",
        "prompts to the internet": "1",
    }
    isolated = replace(fallback(providers=("bedrock/mistral.mistral-7b-instruct-v0:2",)))
    isolated = replace(isolated, network=ENDPOINTS)
    assert billed(component, isolated, **share) == {"tasks ask for keys": "35.04", "metrics": "6"}


def test_prompts_out_of_a_region_without_prices_are_unknown() -> None:
    """The line is there, and has no price."""
    component = declared("llm-fleet:infra:Gateway")
    where = replace(at(component, fallback_share=Decimal(1)), book=replace(BOOK, egress={}))
    *_, last = PRICED[component.type](component, where)
    assert isinstance(last, Line)
    assert (last.price, last.note) == (None, "no price for data out of us-east-1 is known")


@pytest.mark.parametrize(
    ("requests", "share", "lookups"),
    [(0, "0", "0"), (1_000_000, "0.1", "0.1"), (1_000_000_000, "0.5", "0.5256")],
)
def test_a_name_is_looked_up_at_most_every_ten_seconds(
    requests: int, share: str, lookups: str
) -> None:
    """By each of two hosts, and never more often than something is passed on."""
    zone = declared("aws:servicediscovery/privateDnsNamespace:PrivateDnsNamespace")
    usage = {"requests": Decimal(requests), "fallback_share": Decimal(share)}
    assert billed(zone, **usage) == {"zone of names": "1", "look-ups": lookups}


def test_the_counter_is_written_for_each_hosted_request() -> None:
    """Twice, the whole item each time; the switch reads it in each look."""
    assert billed(declared(TABLE)) == {"writes": "0.05256", "reads": "0.438"}
    spilled = {"requests": Decimal(10**6), "fallback_share": Decimal(1)}
    assert billed(declared(TABLE), **spilled)["writes"] == "6.05256"
    kept = declared(TABLE, ttl={"attributeName": "expires"})
    assert billed(kept, **spilled) == {"writes": "2.01752"}


def test_the_switch_runs_all_the_time_or_looks_once_a_minute() -> None:
    """docs/fallback-switch.md states the same 657,000 GB-s."""
    assert billed(FUNCTION) == {"calls": "0.0438", "running": "657000"}
    glances = fallback(switch=SwitchSettings(watch_when_well=False))
    assert billed(FUNCTION, glances) == {"calls": "0.0438", "running": "21900"}
    assert billed(declared("llm-fleet:infra:Switch")) == {"asks for the probe key": "0.876"}


def test_logs_of_gateway_and_switch_are_their_own() -> None:
    """A KiB a hosted request, one and a quarter a look; nobody searches them all."""
    group = Declared("aws:cloudwatch/logGroup:LogGroup", "logs", "", {"retentionInDays": 365})
    spilled = {"requests": Decimal(2**20) - PROOFS, "fallback_share": Decimal(1)}
    assert billed(replace(group, parent="gateway"), **spilled) == {
        "logs written": "1",
        "logs kept": "12",
    }
    assert billed(replace(group, parent="switch")) == {
        "logs written": "0.522137",
        "logs kept": "6.26564",
    }


def tokens(environment: Environment, **usage: Any) -> list[tuple[str, str, str | None]]:
    """Name, quantity and unit price of the hosted lines."""
    found = hosted.fallback(at(FUNCTION, environment, **usage))
    return [(o.name, f"{o.quantity:f}", f"{o.price.usd:f}" if o.price else None) for o in found]


def test_the_first_provider_is_billed_and_so_are_the_proofs() -> None:
    """Until somebody says which API it is."""
    assert tokens(AWAY) == [
        ("openai/gpt-4o-mini, prompts of the switch's own", "0.175200", "0.15"),
        ("openai/gpt-4o-mini, answers of the switch's own", "0.008760", "0.60"),
    ]
    assert tokens(AWAY, fallback_share=Decimal("0.1"))[:2] == [
        ("openai/gpt-4o-mini, prompts", "70.000000", "0.15"),
        ("openai/gpt-4o-mini, answers", "10.000000", "0.60"),
    ]
    assert tokens(AWAY, fallback_api="gpt-4o-mini")[0][0].startswith("gpt-4o-mini, prompts")


def test_a_price_of_the_environment_s_own_is_taken() -> None:
    """With where it is from; one that nobody knows is named and not in the total."""
    own = {"openai/mine": 2.0}
    mine = fallback(
        providers=("openai/mine",), input_usd_per_million=own, output_usd_per_million=own
    )
    (prompts, _) = hosted.fallback(at(FUNCTION, mine))
    assert prompts.price is not None
    assert (prompts.price.usd, prompts.price.origin.source) == (2, "the environment's file")
    unknown = invoice(at(FUNCTION, fallback(providers=("openai/mine",))))
    assert [one.reason for one in unknown.unpriced if one.resource == "fallback"] == [
        f"openai/mine, {what} of the switch's own: nobody knows what openai/mine costs"
        for what in ("prompts", "answers")
    ]


def test_a_book_without_the_api_still_has_a_deprecation_to_tell_or_not() -> None:
    """Only what the book has is known to end."""
    known = hosted.api_in_book(at(FUNCTION))
    assert known is not None
    assert known.deprecated_on == "2027-01-01"
    assert hosted.api_in_book(replace(at(FUNCTION), book=PriceBook())) is None


def test_what_is_assumed_of_gateway_and_switch_is_what_they_do() -> None:
    """Each figure stands in two places."""
    assert supervisor.RING_S == gateway.CLIENT_KEYS_S
    assert supervisor.PROVIDER_KEYS_S == gateway.PROVIDER_KEYS_S
    assert int(Policy().stay_s // Policy().look_every_s) + 1 == switch.LOOKS
    assert asker._KEY_FRESH_S == switch.PROBE_KEY_S
    assert declared_gateway.TTL_S == gateway.LOOKED_UP_S
    front = nginx_config(
        FrontSettings(), engines=["e:1"], chain=chain(EngineSettings()), spill=Spill("g:8000")
    )
    assert re.findall(r"resolver \S+ valid=(\d+)s", front) == [str(gateway.LOOKED_UP_S)]
