"""Sizing counts the KV cache exactly as the real engine does."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from provision.catalog.models import from_config
from provision.planning.kv_cache import cpu_kv_cache_tokens
from rehearsal import engine, tiny_model

pytestmark = pytest.mark.lab

LENGTH = 1000  # no multiple of a block: the rounding shows
START = """
import sys
from vllm import LLM

if __name__ == "__main__":
    LLM(sys.argv[1], dtype="float32", enforce_eager=True, max_model_len=int(sys.argv[2]))
"""
LINE = re.compile(r"KV cache size: ([\d,]+) tokens, Maximum concurrency for 1,000 tokens")


def test_the_engine_logs_the_counted_tokens(tmp_path: Path) -> None:
    """One GiB of cache for the tiny model: our count is the figure in the engine's own log."""
    python = engine.ensure(sys.stderr.write)
    folder = tiny_model.ensure(tmp_path / "model", python)
    config = json.loads((folder / "config.json").read_text())
    served = replace(from_config("tiny/llama", config), dtype="float32")
    counted = cpu_kv_cache_tokens(served, cache_space_gib=1, max_model_len=LENGTH)

    found = LINE.search(engine_log(python, folder, tmp_path))

    assert found is not None
    assert int(found[1].replace(",", "")) == counted == 512_000


def engine_log(python: Path, folder: Path, scratch: Path) -> str:
    """Everything that the engine says until it has started and ended again."""
    script = scratch / "start.py"
    script.write_text(START)
    done = subprocess.run(
        [str(python), str(script), str(folder), str(LENGTH)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={
            "PATH": f"{python.parent}:/usr/bin:/bin",
            "HOME": str(scratch),
            "VLLM_CPU_KVCACHE_SPACE": "1",
            "VLLM_NO_USAGE_STATS": "1",
            "HF_HUB_OFFLINE": "1",
        },
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr
