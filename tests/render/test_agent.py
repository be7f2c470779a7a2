"""What the agent is told."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provision.agent.settings import AgentSettings, Expectation
from provision.catalog.models import model
from provision.config.environment import HealthSettings, ModelChoice, WarmUpExpectation
from provision.config.fallback import FallbackSettings
from provision.render.agent import WARM_UP_TOKENS, agent_config, long_prompt
from provision.render.compose import share_out
from tests.render.releases import LAYOUT, environment, release, render, text


@pytest.mark.parametrize("name", LAYOUT)
def test_the_agent_reads_it(name: str) -> None:
    """The host program's own parser, and the values of the environment file."""
    health = environment(name).health
    told = AgentSettings.parse(json.loads(text(release(name), "agent.json")))

    assert told.model == environment(name).model.name
    assert [(one.index, one.port) for one in told.replicas] == [(0, 8001)]
    assert told.ready_timeout_s == health.ready_timeout_s
    assert told.warmup.max_ttft_s == health.warmup_max_ttft_s
    assert told.warmup.slowdown == health.warmup_slowdown
    assert told.warmup.expect is None
    assert told.bake.max_error_share == health.bake_max_error_share
    assert told.canary.interval_s == health.canary_interval_s
    assert told.canary.deadline_s == health.canary_deadline_s
    assert told.canary.misses == health.canary_misses
    assert told.crash.limit == health.crash_limit
    assert told.crash.window_s == health.crash_window_s
    assert told.replace_after_s == health.replace_after_s
    assert told.gpus == (8 if name == "prod-70b" else 1)
    assert told.keys_secret == f"llm-fleet/{name}/client-keys"


def test_clients_name_for_the_model_is_the_agents() -> None:
    """Warm-up and canary ask as clients do."""
    wanted = ModelChoice("mistral-7b", served_name="assistant")
    rendered = render(replace(environment("prod"), model=wanted))

    assert json.loads(text(rendered, "agent.json"))["model"] == "assistant"


def test_a_question_with_its_answer_reaches_the_agent() -> None:
    """The expression as it was written, with room for the answer."""
    health = HealthSettings(warmup_expect=WarmUpExpectation("2 + 2?", r"(?i)\b(4|four)\b"))
    rendered = render(replace(environment("prod"), health=health))

    told = AgentSettings.parse(json.loads(text(rendered, "agent.json")))
    assert told.warmup.expect == Expectation("2 + 2?", r"(?i)\b(4|four)\b", max_tokens=64)


def test_what_can_be_compared_has_the_same_layout() -> None:
    """The model and its share of the GPUs; not its revision, nor what clients call it."""

    def layout(model: str = "mistral-7b", **more: Any) -> str:
        wanted = replace(environment("prod"), model=ModelChoice(model, served_name="assistant"))
        return AgentSettings.parse(json.loads(text(render(wanted, **more), "agent.json"))).layout

    assert layout() == "mistral-7b, 1 engine(s) of 1 GPU(s)"
    assert layout(gpus=2, replicas=4) == "mistral-7b, 4 engine(s) of 2 GPU(s)"
    assert layout("qwen3-8b") == "qwen3-8b, 1 engine(s) of 1 GPU(s)"


def test_of_several_engines_the_front_leaves_out_any() -> None:
    """The agent must know: only then may a host serve with those that are ready."""

    def told(**layout: int) -> bool:
        rendered = render(environment("prod"), **layout)
        return AgentSettings.parse(json.loads(text(rendered, "agent.json"))).leaves_out

    assert [told(), told(replicas=2)] == [False, True]


@pytest.mark.parametrize(("spill", "told"), [(True, True), (False, False)])
def test_with_a_gateway_the_front_leaves_out_its_only_engine_too(spill: bool, told: bool) -> None:
    """It then asks the gateway at once, instead of an engine that is not ready."""
    fallback = FallbackSettings(providers=("openai/gpt-4o-mini",), daily_usd=5.0, spill=spill)
    rendered = render(replace(environment("prod"), fallback=fallback))
    assert AgentSettings.parse(json.loads(text(rendered, "agent.json"))).leaves_out is told
    assert ("gateway.llm-fleet-prod.internal:8000" in text(rendered, "nginx.conf")) is told


@pytest.mark.parametrize(
    ("fallback", "tiers"),
    [
        (FallbackSettings(), ("primary",)),
        (FallbackSettings(providers=("openai/gpt-4o-mini",), spill=False), ("primary",)),
        (FallbackSettings(providers=("openai/gpt-4o-mini",)), ("primary", "hosted")),
        (
            FallbackSettings(providers=("openai/gpt-4o-mini",), stale_answers=True),
            ("primary", "hosted", "stale"),
        ),
    ],
)
def test_the_agent_knows_who_may_answer(fallback: FallbackSettings, tiers: tuple[str, ...]) -> None:
    """It tells CloudWatch of each, also when the number is 0."""
    rendered = render(replace(environment("prod"), fallback=fallback))
    assert AgentSettings.parse(json.loads(text(rendered, "agent.json"))).tiers == tiers


@pytest.mark.parametrize(("chat", "asked"), [(True, True), (None, True), (False, False)])
def test_a_model_is_asked_the_way_its_clients_ask(chat: bool | None, asked: bool) -> None:
    """A base model has no chat template; one of which nobody knows is taken for a chat model."""
    document = agent_config(
        environment("prod"),
        replace(model("mistral-7b"), chat=chat),
        served_name="m",
        replicas=share_out(1, gpus=1),
    )
    assert AgentSettings.parse(json.loads(document)).chat is asked


@settings(deadline=None)
@given(st.integers(64, 1_048_576))
def test_the_long_prompt_fits_under_every_tokenizer(context: int) -> None:
    """One token a character is the worst there is; the answer must fit behind it."""
    prompt = long_prompt(context)

    assert prompt.isascii()
    assert 0 < len(prompt) <= 8192
    tag = len("[ffffffff-1700000000.000] ")
    assert len(prompt) + tag + min(WARM_UP_TOKENS, context // 4) < context
