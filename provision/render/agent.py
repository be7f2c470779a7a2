"""``agent.json``: what the agent on a host needs to know about a release."""

from __future__ import annotations

import json
from collections.abc import Sequence

from provision.catalog.model import Model
from provision.config.environment import Environment, WarmUpExpectation
from provision.render.compose import Replica
from provision.render.front import spill

WARM_UP_TOKENS = 16
EXPECTED_TOKENS = 64
LONG_PROMPT_CHARACTERS = 8192

_SENTENCE = "The agent warms the engine with a prompt that is long enough to fill a whole step. "
_TAG_TOKENS = 128  # that the agent puts before a prompt, generously


def agent_config(
    environment: Environment, model: Model, *, served_name: str, replicas: Sequence[Replica]
) -> str:
    """The document. Times are seconds."""
    health = environment.health
    document = {
        "model": served_name,
        "chat": model.chat is not False,
        "layout": layout(model, replicas),
        "gpus": sum(len(one.gpus) for one in replicas),
        # The front of a single engine asks the gateway instead, if it may.
        "leaves_out": len(replicas) > 1 or spill(environment) is not None,
        "tiers": tiers(environment),
        "replicas": [{"index": one.index, "port": one.port} for one in replicas],
        "ready_timeout_s": health.ready_timeout_s,
        "warmup": {
            "short": "Say hello.",
            "long": long_prompt(environment.engine.max_model_len),
            "streamed": "Count to ten.",
            "max_tokens": min(WARM_UP_TOKENS, environment.engine.max_model_len // 4),
            "max_ttft_s": health.warmup_max_ttft_s,
            "slowdown": health.warmup_slowdown,
            "expect": _expectation(health.warmup_expect),
        },
        "bake": {"max_error_share": health.bake_max_error_share},
        "canary": {
            "interval_s": health.canary_interval_s,
            "deadline_s": health.canary_deadline_s,
            "misses": health.canary_misses,
        },
        "crash": {"limit": health.crash_limit, "window_s": health.crash_window_s},
        "replace_after_s": health.replace_after_s,
        "keys_secret": f"{environment.secret_root}/client-keys",
    }
    return json.dumps(document, indent=2) + "\n"


def tiers(environment: Environment) -> list[str]:
    """Who may answer clients of a host, as ``x-llm-tier`` has it."""
    if spill(environment) is None:
        return ["primary"]
    return ["primary", "hosted", *(["stale"] if environment.fallback.stale_answers else [])]


def layout(model: Model, replicas: Sequence[Replica]) -> str:
    """Releases with the same one can be compared: how fast one is says how fast all are to be."""
    return f"{model.name}, {len(replicas)} engine(s) of {len(replicas[0].gpus)} GPU(s)"


def _expectation(expect: WarmUpExpectation) -> dict[str, str | int | None] | None:
    if expect.prompt is None:
        return None
    return {"prompt": expect.prompt, "matches": expect.matches, "max_tokens": EXPECTED_TOKENS}


def long_prompt(context: int) -> str:
    """A prompt that fits into *context* tokens under every tokenizer.

    None makes more than one token of an ASCII character, so its length in characters, with the
    answer and the agent's own words, stays below *context*.
    """
    room = context - WARM_UP_TOKENS - _TAG_TOKENS
    characters = max(len("hello"), min(LONG_PROMPT_CHARACTERS, room * 3 // 4))
    return (_SENTENCE * (characters // len(_SENTENCE) + 1))[:characters]
