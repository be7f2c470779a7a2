"""Presets fill what a person left open."""

from __future__ import annotations

from typing import Any

import pytest

from provision.config.environment import EngineSettings
from provision.config.parse import parse
from provision.config.presets import PRESETS


def engine(preset: str, **written: Any) -> EngineSettings:
    document = {
        "config": {
            "aws:region": "us-east-1",
            "llm-fleet:owner": "platform",
            "llm-fleet:model": {"name": "mistral-7b", "preset": preset},
            **({"llm-fleet:engine": written} if written else {}),
        }
    }
    return parse("prod", document, source="Pulumi.prod.yaml").engine


@pytest.mark.parametrize(
    ("preset", "length", "share", "sequences"),
    [
        ("resume-analysis", 2048, 0.90, 32),
        ("support-chat", 4096, 0.85, 64),
        ("long-documents", 8192, 0.80, 8),
    ],
)
def test_a_preset_fills_the_engine(preset: str, length: int, share: float, sequences: int) -> None:
    """Without a word about the engine, the preset's settings are the engine's."""
    filled = engine(preset)
    assert (filled.max_model_len, filled.gpu_memory_utilization) == (length, share)
    assert filled.max_num_seqs == sequences


def test_what_is_written_wins() -> None:
    """An explicit setting beats the preset, "not said" (null) included; the rest is filled."""
    filled = engine("resume-analysis", max_model_len=1024, max_num_seqs=None)
    assert filled == EngineSettings(
        max_model_len=1024,
        gpu_memory_utilization=0.90,
        max_num_seqs=None,
        max_num_batched_tokens=4096,
        longest_generation_s=60,
    )


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_valid(preset: str) -> None:
    """A preset breaks no rule and no relation."""
    assert engine(preset)
