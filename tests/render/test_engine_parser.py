"""Every engine configuration, read by vLLM's own argument parser."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from provision.catalog.models import models
from provision.config.environment import ModelChoice
from provision.render.engine import OVERRIDES
from tests.render.releases import LAYOUT, environment, release, render, text

pytestmark = pytest.mark.lab

PYTHON = Path(
    os.environ.get("LLM_FLEET_ENGINE_PYTHON", "~/.cache/llm-fleet/engine/bin/python")
).expanduser()

# Reads {name: words} on standard input, prints {name: parsed values or error}. One process for
# all of them: importing the engine takes a quarter of a minute.
PARSER = """
import contextlib, io, json, sys
from vllm.entrypoints.launchers.cli_args import make_arg_parser, validate_parsed_serve_args
from vllm.utils.argparse_utils import FlexibleArgumentParser

def read(words):
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            serve = FlexibleArgumentParser().add_subparsers(dest="subparser").add_parser("serve")
            args = make_arg_parser(serve).parse_args(words)
            args.subparser = "serve"
            validate_parsed_serve_args(args)
            return {name: value for name, value in vars(args).items() if is_plain(value)}
    except SystemExit:
        return {"error": complaint.getvalue()}

def is_plain(value):
    return isinstance(value, (str, int, float, bool, list, type(None)))

asked = json.load(sys.stdin)
answers = {name: read(words) for name, words in asked.items()}
print("\\n@@" + json.dumps(answers, default=str))
"""


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What the engine understood, by name of the configuration."""
    folder = tmp_path_factory.mktemp("configurations")
    asked: dict[str, list[str]] = {}
    for name, content in configurations().items():
        file = folder / f"{name.replace('/', '--')}.yaml"
        file.write_text(content)
        asked[name] = ["/models/m", "--config", str(file)]
    plain = asked["dev"]
    asked["overridden"] = [*plain, *[f"--{flag}={OVERRIDDEN[flag]}" for flag in OVERRIDES.values()]]
    done = subprocess.run(
        [str(PYTHON), "-c", PARSER],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        env={**os.environ, "VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_LEVEL": "ERROR"},
    )
    assert done.returncode == 0, f"{PYTHON}: {done.stderr[-2000:]}"
    answers: dict[str, dict[str, Any]] = json.loads(done.stdout.rpartition("@@")[2])
    return answers


OVERRIDDEN: dict[str, Any] = {
    "max-model-len": 512,
    "gpu-memory-utilization": 0.5,
    "kv-cache-dtype": "fp8",
    "max-num-seqs": 3,
    "max-num-batched-tokens": 4096,
    "max-num-queued-reqs": 7,
    "tensor-parallel-size": 2,
    "shutdown-timeout": 9,
}


def configurations() -> dict[str, str]:
    """Every environment, every model, every setting at once, and one that must be refused."""
    dev = environment("dev")
    found = {name: text(release(name), "engine.yaml") for name in LAYOUT}
    for name in models():
        found[name] = text(render(replace(dev, model=ModelChoice(name))), "engine.yaml")
    full = replace(
        dev.engine,
        kv_cache_dtype="fp8",
        max_num_seqs=16,
        max_num_batched_tokens=8192,
        extra_args={
            "enforce-eager": True,
            "enable-prefix-caching": False,
            "dtype": "bfloat16",
            "safetensors-load-strategy": "prefetch",
        },
    )
    found["full"] = text(render(replace(dev, engine=full), gpus=4, replicas=2), "engine.yaml")
    found["wrong"] = found["dev"] + "swap-space: 4\n"
    return found


@pytest.mark.parametrize("name", sorted(set(configurations()) - {"wrong"}))
def test_the_engine_understands_what_was_meant(
    parsed: dict[str, dict[str, Any]], name: str
) -> None:
    """Every line of the file arrives in the option of that name, with that value."""
    meant = yaml.safe_load(configurations()[name])
    understood = parsed[name]

    assert "error" not in understood, understood["error"]
    assert {key: understood[_attribute(key)] for key in meant} == meant
    assert understood["model_tag"] == "/models/m"


def test_variables_of_the_start_script_win_over_the_file(parsed: dict[str, dict[str, Any]]) -> None:
    """Each override is an option of this engine, and comes after the configuration."""
    understood = parsed["overridden"]

    assert "error" not in understood, understood["error"]
    assert {flag: understood[_attribute(flag)] for flag in OVERRIDES.values()} == OVERRIDDEN


def test_a_flag_that_the_engine_dropped_is_refused(parsed: dict[str, dict[str, Any]]) -> None:
    """So the tests above could fail."""
    assert "swap-space" in parsed["wrong"]["error"]


def _attribute(option: str) -> str:
    return option.replace("-", "_")
