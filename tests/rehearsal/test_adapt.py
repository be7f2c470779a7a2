"""Which parts of an environment a rehearsal keeps, and which it replaces."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provision.config.environment import (
    AwsSettings,
    EngineSettings,
    Environment,
    FleetSettings,
    HealthSettings,
    LoadBalancerSettings,
    ModelChoice,
    NetworkSettings,
    Scheme,
    WarmUpExpectation,
)
from provision.config.fallback import FallbackSettings, SwitchSettings
from rehearsal.adapt import adapt

PROD = Environment(
    name="prod",
    region="eu-west-1",
    owner="team@example.com",
    model=ModelChoice("llama-3.1-70b"),
    engine=EngineSettings(max_model_len=8192, tensor_parallel_size=8, max_num_seqs=64),
    fleet=FleetSettings(instance_type="p4d.24xlarge", hosts=4, zones=2, capacity_block=True),
    load_balancer=LoadBalancerSettings(
        scheme=Scheme.INTERNET_FACING, certificate_arn="arn:aws:acm:eu-west-1:1:certificate/x"
    ),
)
ROOM = Environment(
    name="rehearsal",
    region="us-east-1",
    owner="rehearsal",
    model=ModelChoice("mistral-7b"),
    engine=EngineSettings(image="hub.rehearsal/vllm", max_model_len=1024, env={"A": "1"}),
    fleet=FleetSettings(hosts=2),
    network=NetworkSettings(cidr="10.97.0.0/16"),
    aws=AwsSettings(endpoint_url="http://10.97.0.1:5000"),
)


def test_what_is_being_rehearsed_stays() -> None:
    """Model, region, instance type, zones and engine limits are the wanted environment's own."""
    rehearsed = adapt(PROD, ROOM, mounts=("/usr:/usr:ro",), hosts=None).environment
    assert rehearsed.model == PROD.model
    assert rehearsed.region == "eu-west-1"
    assert (rehearsed.fleet.instance_type, rehearsed.fleet.zones) == ("p4d.24xlarge", 2)
    assert rehearsed.engine.max_num_seqs == 64


def test_a_tiny_model_on_shared_cpus_is_asked_for_no_more_than_it_can() -> None:
    """It knows no answer and is never as fast as before; the rest of the policy stays."""
    expect = WarmUpExpectation("What is the capital of France?", "Paris")
    wanted = replace(PROD, health=HealthSettings(canary_misses=7, warmup_expect=expect))
    room = replace(ROOM, health=HealthSettings(warmup_slowdown=100.0))
    adapted = adapt(wanted, room, mounts=(), hosts=None)
    expected = HealthSettings(canary_misses=7, warmup_slowdown=100.0)
    assert adapted.environment.health == expected
    assert any("warmup_expect is left out" in line for line in adapted.changes)


def test_nothing_of_it_can_reach_the_real_account() -> None:
    """AWS, addresses and access come from the machine room."""
    rehearsed = adapt(PROD, ROOM, mounts=(), hosts=None).environment
    assert rehearsed.aws == ROOM.aws
    assert rehearsed.network == ROOM.network
    assert rehearsed.access == ROOM.access
    assert rehearsed.name == "rehearsal"


def test_the_engine_fits_this_machine() -> None:
    """One engine a host, in the room's image, with this machine's engine mounted into it."""
    engine = adapt(PROD, ROOM, mounts=("/usr:/usr:ro",), hosts=None).environment.engine
    assert (engine.tensor_parallel_size, engine.replicas_per_host) == (1, 1)
    assert engine.max_model_len == 1024
    assert engine.mounts == ("/usr:/usr:ro",)
    assert engine.env == {"A": "1"}


def test_several_engines_a_host_are_two() -> None:
    """Enough to change one while the other serves; and it is said."""
    wanted = replace(PROD, engine=replace(PROD.engine, replicas_per_host=8))
    adapted = adapt(wanted, ROOM, mounts=(), hosts=None)
    assert adapted.environment.engine.replicas_per_host == 2
    assert "2 engines a host instead of 8" in adapted.changes


@pytest.mark.parametrize(("asked", "got"), [(None, 2), (1, 1), (3, 3)])
def test_the_number_of_hosts(asked: int | None, got: int) -> None:
    """As many hosts as asked for; not more than the room's when nobody said."""
    assert adapt(PROD, ROOM, mounts=(), hosts=asked).environment.fleet.hosts == got


def test_every_difference_is_said() -> None:
    """The person reads what the rehearsal does not prove."""
    assert adapt(PROD, ROOM, mounts=(), hosts=None).changes == (
        "AWS is a moto server on this machine; hosts are network namespaces with sshd and Docker",
        "the engine is vLLM for CPUs with a tiny random model under the real name",
        "2 host(s) instead of 4",
        "max_model_len 1024 instead of 8192",
        "plain HTTP inside this machine instead of TLS at the load balancer",
    )


def test_a_model_that_was_named_differently_keeps_its_name() -> None:
    """The served name is part of what is rehearsed."""
    named = replace(PROD, model=ModelChoice("mistral-7b", served_name="chat"))
    assert adapt(named, ROOM, mounts=(), hosts=1).environment.model.served_name == "chat"


class TestTheWayOut:
    """Only a rehearsed outage has one, and it is the room's."""

    PAID = replace(PROD, fallback=FallbackSettings(("anthropic/claude-haiku-4-5",), daily_usd=50.0))
    WITH = replace(
        ROOM,
        fallback=FallbackSettings(
            ("openai/gpt-4o-mini",), daily_usd=5.0, switch=SwitchSettings(hold_s=15.0)
        ),
    )

    def test_an_outage_has_the_room_s_own(self) -> None:
        """Its provider is a stand-in, its times are short: that is said."""
        adapted = adapt(self.PAID, self.WITH, mounts=(), hosts=None, outage=True)
        assert adapted.environment.fallback == self.WITH.fallback
        assert any("hosted answers come from a stand-in" in line for line in adapted.changes)

    def test_every_other_rehearsal_goes_without(self) -> None:
        """Nothing could be asked of a real provider from here. What is left out is said."""
        adapted = adapt(self.PAID, self.WITH, mounts=(), hosts=None)
        assert not adapted.environment.fallback.exists
        assert any("`fab rehearse --outage` rehearses one" in line for line in adapted.changes)
