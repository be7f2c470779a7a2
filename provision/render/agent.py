"""``agent.json``: what the agent on a host needs to know about a release."""

from __future__ import annotations

import json
from collections.abc import Sequence

from provision.config.environment import Environment
from provision.render.compose import Replica

WARM_UP_TOKENS = 16
LONG_PROMPT_CHARACTERS = 8192

_SENTENCE = "The agent warms the engine with a prompt that is long enough to fill a whole step. "
_TAG_TOKENS = 128  # that the agent puts before a prompt, generously


def agent_config(environment: Environment, *, served_name: str, replicas: Sequence[Replica]) -> str:
    """The document. Times are seconds."""
    health = environment.health
    document = {
        "model": served_name,
        "replicas": [{"index": one.index, "port": one.port} for one in replicas],
        "ready_timeout_s": health.ready_timeout_s,
        "warmup": {
            "short": "Say hello.",
            "long": long_prompt(environment.engine.max_model_len),
            "streamed": "Count to ten.",
            "max_tokens": min(WARM_UP_TOKENS, environment.engine.max_model_len // 4),
            "max_ttft_s": health.warmup_max_ttft_s,
        },
        "canary": {
            "interval_s": health.canary_interval_s,
            "deadline_s": health.canary_deadline_s,
            "misses": health.canary_misses,
        },
        "crash": {"limit": health.crash_limit, "window_s": health.crash_window_s},
        "keys_secret": f"{environment.secret_root}/client-keys",
    }
    return json.dumps(document, indent=2) + "\n"


def long_prompt(context: int) -> str:
    """A prompt that fits into *context* tokens under every tokenizer.

    None makes more than one token of an ASCII character, so its length in characters, with the
    answer and the agent's own words, stays below *context*.
    """
    room = context - WARM_UP_TOKENS - _TAG_TOKENS
    characters = max(len("hello"), min(LONG_PROMPT_CHARACTERS, room * 3 // 4))
    return (_SENTENCE * (characters // len(_SENTENCE) + 1))[:characters]
