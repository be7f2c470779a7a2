"""Values that tests start from; change them with ``dataclasses.replace``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from provision.config.environment import Environment, FleetSettings, ModelChoice
from provision.config.fallback import FallbackSettings
from provision.facts.host import GpuFacts, HostFacts
from provision.facts.inventory import Host
from provision.facts.outputs import FallbackOutputs, Outputs

REPOSITORY_URL = "123456789012.dkr.ecr.us-east-1.amazonaws.com/llm-fleet-test"
_SECRETS = "llm-fleet/test"


def environment(**changes: Any) -> Environment:
    """``test``: mistral-7b on g5.xlarge hosts."""
    base = Environment(
        name="test",
        region="us-east-1",
        owner="team@example.com",
        model=ModelChoice("mistral-7b"),
        fleet=FleetSettings(instance_type="g5.xlarge", hosts=2),
    )
    return replace(base, **changes)


def fallback(**changes: Any) -> FallbackSettings:
    """A way out: two providers, of which each needs a key."""
    providers = ("openai/gpt-4o-mini", "anthropic/claude-haiku-4-5")
    return replace(FallbackSettings(providers=providers, daily_usd=20.0), **changes)


def fallback_outputs() -> FallbackOutputs:
    """What ``pulumi up`` would have left of the way out."""
    return FallbackOutputs(
        switch_function="llm-fleet-test-switch",
        switch_log_group="/aws/lambda/llm-fleet-test-switch",
        intent_parameter="/llm-fleet/test/switch/intent",
        hints_parameter="/llm-fleet/test/switch/hints",
        spend_table="llm-fleet-test-spend",
        gateway_cluster="llm-fleet-test",
        gateway_service="gateway",
        gateway_family="llm-fleet-test-gateway",
        gateway_log_group="/llm-fleet/test/gateway",
    )


def outputs() -> Outputs:
    """What ``pulumi up`` would have left where there is no way out."""
    arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012"
    return Outputs(
        environment="test",
        region="us-east-1",
        account_id="123456789012",
        vpc_id="vpc-1",
        endpoint="http://fleet.test",
        load_balancer_arn=f"{arn}:loadbalancer/app/llm-fleet-test/1",
        listener_arn=f"{arn}:listener/app/llm-fleet-test/1/1",
        traffic_rule_arn=f"{arn}:listener-rule/app/llm-fleet-test/1/1/1",
        probe_rule_arn=f"{arn}:listener-rule/app/llm-fleet-test/1/1/2",
        primary_target_group_arn=f"{arn}:targetgroup/llm-fleet-test-primary/1",
        fallback_target_group_arn=f"{arn}:targetgroup/llm-fleet-test-fallback/1",
        asg_name="llm-fleet-test",
        bucket="llm-fleet-test-123456789012",
        repository_url=REPOSITORY_URL,
        host_role_arn="arn:aws:iam::123456789012:role/llm-fleet-test-host",
        publisher_role_arn="arn:aws:iam::123456789012:role/llm-fleet-test-publisher",
        client_keys_secret=f"{_SECRETS}/client-keys",
        probe_key_secret=f"{_SECRETS}/probe-key",
        hub_token_secret=f"{_SECRETS}/hub-token",
        log_group="/llm-fleet/test",
    )


def hosts(count: int) -> tuple[Host, ...]:
    """``i-1``, ``i-2``, ... (with leading zeros when there are ten or more)."""
    width = len(str(count))
    return tuple(
        Host(
            name=f"i-{index:0{width}}",
            address=f"10.40.{index // 250}.{index % 250 + 4}",
            zone="us-east-1a",
            instance_type="g5.xlarge",
            host_keys=(f"ssh-ed25519 KEY{index}",),
        )
        for index in range(1, count + 1)
    )


def facts(**changes: Any) -> HostFacts:
    """A host that was set up and runs nothing."""
    base = HostFacts(
        os_id="ubuntu",
        os_version="24.04",
        architecture="x86_64",
        sudo=True,
        docker_version="28.0.1",
        compose=("docker", "compose"),
        docker_runtimes=("runc", "nvidia"),
        toolkit_version="1.20.1",
        driver_version="580.95.05",
        gpus=(GpuFacts("NVIDIA A10G", 23028, 0),),
        cache_mounted=True,
        cache_free_gib=90.0,
        root_free_gib=80.0,
    )
    return replace(base, **changes)


def serving(release: str, **changes: Any) -> HostFacts:
    """A host whose agent says ready for *release*."""
    agent = {"state": "ready", "release": release, "ready_for": release, "model": "mistral-7b"}
    return facts(release=release, releases=(release,), agent=agent, **changes)
