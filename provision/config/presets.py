"""Engine settings for a kind of work, for those that a person did not set."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

# `max_num_seqs` bounds the batch to what the cache holds at that length; a larger batch of
# prompt tokens shortens the first token where prompts are long.
PRESETS: Mapping[str, Mapping[str, int | float]] = MappingProxyType(
    {
        # A page or two in, a verdict out: a 7B model on one 24 GB GPU.
        "resume-analysis": {
            "max_model_len": 2048,
            "gpu_memory_utilization": 0.90,
            "max_num_seqs": 32,
            "max_num_batched_tokens": 4096,
            "longest_generation_s": 60,
        },
        # Many short turns over a growing history: a 13B-class model on 40 GB.
        "support-chat": {
            "max_model_len": 4096,
            "gpu_memory_utilization": 0.85,
            "max_num_seqs": 64,
            "longest_generation_s": 120,
        },
        # Few long prompts: a 7B model; the memory left free takes their activations.
        "long-documents": {
            "max_model_len": 8192,
            "gpu_memory_utilization": 0.80,
            "max_num_seqs": 8,
            "max_num_batched_tokens": 8192,
            "longest_generation_s": 300,
        },
    }
)


def fill(engine: Mapping[str, Any], preset: object) -> dict[str, Any]:
    """*engine* as written, completed by *preset*. What is written wins, ``null`` included.

    An unknown preset fills nothing: the rule for ``model.preset`` reports it.
    """
    settings = PRESETS.get(preset, {}) if isinstance(preset, str) else {}
    return {**settings, **engine}
