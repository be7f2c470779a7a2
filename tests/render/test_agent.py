"""What the agent is told."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provision.agent.settings import AgentSettings
from provision.config.environment import ModelChoice
from provision.render.agent import WARM_UP_TOKENS, long_prompt
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
    assert told.canary.interval_s == health.canary_interval_s
    assert told.canary.deadline_s == health.canary_deadline_s
    assert told.canary.misses == health.canary_misses
    assert told.crash.limit == health.crash_limit
    assert told.crash.window_s == health.crash_window_s
    assert told.keys_secret == f"llm-fleet/{name}/client-keys"


def test_clients_name_for_the_model_is_the_agents() -> None:
    """Warm-up and canary ask as clients do."""
    wanted = ModelChoice("mistral-7b", served_name="assistant")
    rendered = render(replace(environment("prod"), model=wanted))

    assert json.loads(text(rendered, "agent.json"))["model"] == "assistant"


@settings(deadline=None)
@given(st.integers(64, 1_048_576))
def test_the_long_prompt_fits_under_every_tokenizer(context: int) -> None:
    """One token a character is the worst there is; the answer must fit behind it."""
    prompt = long_prompt(context)

    assert prompt.isascii()
    assert 0 < len(prompt) <= 8192
    tag = len("[ffffffff-1700000000.000] ")
    assert len(prompt) + tag + min(WARM_UP_TOKENS, context // 4) < context
