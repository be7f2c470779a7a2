"""Environments for tests: a small one by hand, and arbitrary ones that keep every rule."""

from __future__ import annotations

from hypothesis import strategies as st

from provision.config.environment import (
    AccessSettings,
    AwsSettings,
    BudgetSettings,
    EngineSettings,
    Environment,
    FleetSettings,
    HealthSettings,
    HubSettings,
    LoadBalancerSettings,
    ModelCacheSettings,
    ModelChoice,
    NetworkSettings,
    Purchase,
    UsageSettings,
    WarmUpExpectation,
)
from provision.config.fallback import FallbackSettings, WhenSpendUnknown
from provision.config.presets import PRESETS
from provision.config.timeouts import LONGEST_GENERATION_MAX_S

SMALL = Environment(
    name="prod", region="us-east-1", owner="platform", model=ModelChoice(name="mistral-7b")
)

_hex = st.text("0123456789abcdef", min_size=17, max_size=17)
_flag_values = st.one_of(
    st.text(max_size=20),
    st.integers(),
    st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False),
)
_engines = st.builds(
    EngineSettings,
    max_model_len=st.integers(64, 1_048_576),
    gpu_memory_utilization=st.floats(0.1, 0.98),
    max_num_seqs=st.none() | st.integers(1, 64),
    max_num_batched_tokens=st.none() | st.integers(64, 1_048_576),
    tensor_parallel_size=st.sampled_from([None, 1, 2, 4, 8]),
    longest_generation_s=st.integers(5, LONGEST_GENERATION_MAX_S),
    extra_args=st.dictionaries(st.sampled_from(["dtype", "seed", "trust"]), _flag_values),
    env=st.dictionaries(st.sampled_from(["NCCL_DEBUG", "no_proxy"]), st.text(max_size=20)),
    extra_pip=st.just(()) | st.just(("vllm[runai]==0.32.0", "ray==2.50.0")),
)
_fleets = st.builds(
    FleetSettings,
    hosts=st.integers(1, 8),
    max_hosts=st.none() | st.integers(8, 16),
    zones=st.integers(1, 6),
    ami=st.none() | _hex.map("ami-{}".format),
    purchase=st.sampled_from(Purchase),
)

_fallbacks = st.just(FallbackSettings()) | st.builds(
    FallbackSettings,
    providers=st.just(("anthropic/claude-haiku-4-5",)),
    input_usd_per_million=st.just({"anthropic/claude-haiku-4-5": 0.5}),
    output_usd_per_million=st.just({"anthropic/claude-haiku-4-5": 1.0}),
    daily_usd=st.floats(0.01, 1_000),
    when_spend_unknown=st.sampled_from(WhenSpendUnknown),
    timeout_s=st.integers(10, 30),
    stale_answers=st.booleans(),
    redis_url=st.none() | st.just("rediss://cache.internal:6379/1"),
)
environments = st.builds(
    Environment,
    name=st.sampled_from(["dev", "prod-70b", "a"]),
    region=st.sampled_from(["us-east-1", "ap-southeast-2"]),
    owner=st.text("abcXYZ09 .:/=+@-_", min_size=1, max_size=20),
    model=st.builds(
        ModelChoice,
        name=st.sampled_from(["mistral-7b", "org/A-model_1.5"]),
        revision=st.none() | st.just("0" * 40),
        preset=st.none() | st.sampled_from(sorted(PRESETS)),
    ),
    engine=_engines,
    fleet=_fleets,
    network=st.just(NetworkSettings()),
    model_cache=st.builds(
        ModelCacheSettings,
        size_gib=st.integers(160, 65_536),
        throughput_mibps=st.integers(125, 750),
        snapshot_every_hours=st.sampled_from([None, 1, 12]),
    ),
    load_balancer=st.builds(
        LoadBalancerSettings, allowed_cidrs=st.just(()) | st.just(("10.0.0.0/8", "203.0.113.0/24"))
    ),
    access=st.builds(AccessSettings, aws_command=st.sampled_from(["aws", "rehearsal/aws"])),
    health=st.builds(
        HealthSettings,
        warmup_max_ttft_s=st.floats(0.1, 600),
        warmup_slowdown=st.none() | st.floats(1.1, 1000),
        replace_after_s=st.none() | st.integers(60, 86_400),
        warmup_expect=st.just(WarmUpExpectation())
        | st.builds(WarmUpExpectation, st.just("2 + 2?"), st.sampled_from(["4", r"(?i)\bfour\b"])),
    ),
    fallback=_fallbacks,
    budget=st.builds(BudgetSettings, max_monthly_usd=st.none() | st.floats(1, 1_000_000)),
    usage=st.builds(
        UsageSettings,
        requests_per_month=st.integers(0, 10**12),
        fallback_share=st.floats(0, 1),
        internet_share=st.none() | st.floats(0, 1),
    ),
    hub=st.builds(
        HubSettings, endpoint=st.sampled_from(["https://hf.co", "http://10.97.0.1:5080"])
    ),
    aws=st.builds(AwsSettings, profile=st.none() | st.just("null")),
).filter(lambda env: env.health.warmup_expect.prompt is None or env.engine.max_model_len > 300)
