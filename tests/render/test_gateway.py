"""What the gateway is told, and its image."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from dataclasses import fields, replace
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from provision.catalog.models import model
from provision.catalog.prices.book import PriceBook
from provision.catalog.prices.load import load
from provision.config.environment import Environment
from provision.config.fallback import FallbackSettings, SwitchSettings, WhenSpendUnknown
from provision.errors import ConfigError
from provision.gateway import counter, settings, shelf
from provision.gateway.money import Price
from provision.render import gateway, gateway_image
from provision.render.bundle import AGENT
from provision.switch import policy
from tests.config.environments import SMALL

GPT, MISTRAL = "openai/gpt-4o-mini", "bedrock/mistral.mistral-7b-instruct-v0:2"
FALLBACK = FallbackSettings(
    providers=(GPT, MISTRAL),
    daily_usd=50.0,
    when_spend_unknown=WhenSpendUnknown.OPEN,
    stale_answers=True,
    redis_url="redis://cache.internal:6379",
)
AWAY = replace(SMALL, fallback=FALLBACK)


def document(environment: Environment = AWAY) -> str:
    return gateway.gateway_document(environment, model=model("mistral-7b"), book=load())


def test_the_program_reads_what_is_written_for_it() -> None:
    """Every value arrives."""
    read = settings.parse(document())
    first, second = read.providers
    assert first == settings.Provider(
        GPT,
        "mistral-7b",
        Price(Decimal("0.15"), Decimal("0.6")),
        "OPENAI_API_KEY",
        "llm-fleet/prod/openai-api-key",
    )
    assert (second.group, second.key_variable, second.key_secret) == ("mistral-7b, 2", None, None)
    assert read.caps == settings.Caps("llm-fleet-prod-spend", 50_000_000, None, True, 1_000_000)
    assert read.stale == settings.StaleSettings("llm-fleet-prod-stale", 86_400)
    assert read.names == ("mistral-7b", "mistralai/Mistral-7B-Instruct-v0.3")
    assert read.keys_secret == "llm-fleet/prod/client-keys"
    assert read.answer_s == 2 * 60 + 120
    assert read.max_rss_mib == 896


def test_litellm_is_told_who_is_asked_in_which_order() -> None:
    """Each provider a group of its own, no key in the text, nothing tried twice."""
    said = yaml.safe_load(settings.parse(document()).litellm)
    assert said == {
        "model_list": [
            {
                "model_name": "mistral-7b",
                "litellm_params": {
                    "model": GPT,
                    "api_key": "os.environ/OPENAI_API_KEY",
                    "timeout": 60,
                    "stream_timeout": 10,
                    "max_retries": 0,
                },
                "model_info": {"id": GPT},
            },
            {
                "model_name": "mistral-7b, 2",
                "litellm_params": {
                    "model": MISTRAL,
                    "aws_region_name": "us-east-1",
                    "timeout": 60,
                    "stream_timeout": 10,
                    "max_retries": 0,
                },
                "model_info": {"id": MISTRAL},
            },
        ],
        "router_settings": {
            "num_retries": 0,
            "fallbacks": [{"mistral-7b": ["mistral-7b, 2"]}],
            "allowed_fails": 1,
            "cooldown_time": 120,
            "disable_cooldowns": False,
            "redis_url": "redis://cache.internal:6379",
        },
        "litellm_settings": {
            "num_retries": 0,
            "request_timeout": 60,
            "drop_params": True,
            "telemetry": False,
            "json_logs": True,
        },
        "general_settings": {"master_key": "os.environ/LITELLM_MASTER_KEY"},
    }


def test_one_provider_alone_has_nobody_behind_it() -> None:
    """And an environment without them keeps no old answers and tells nobody of cooldowns."""
    alone = replace(SMALL, fallback=FallbackSettings(providers=(GPT,), daily_usd=0.0))
    read = settings.parse(document(alone))
    said = yaml.safe_load(read.litellm)
    assert said["router_settings"]["fallbacks"] == []
    assert "redis_url" not in said["router_settings"]
    assert read.stale is None
    assert (read.caps.daily, read.caps.open_when_unknown) == (0, False)


def test_a_provider_without_a_price_is_refused() -> None:
    """What it costs could not be counted."""
    with pytest.raises(ConfigError) as caught:
        gateway.gateway_document(AWAY, model=model("mistral-7b"), book=PriceBook())
    (problem,) = caught.value.problems
    assert problem.path == "fallback.providers[0]"
    assert "nobody knows what openai/gpt-4o-mini costs" in problem.message


@pytest.mark.parametrize("text", [None, "", "{}", "[]", '{"environment": "prod"}', "no json"])
def test_a_document_of_another_version_is_refused(text: str | None) -> None:
    """With the variable's name."""
    with pytest.raises(settings.SettingsError, match="GATEWAY"):
        settings.parse(text)


def test_the_switch_is_told_the_environment_s_numbers() -> None:
    """Its own parser takes them; defaults here are defaults there."""
    told = policy.parse(gateway.switch_policy(FALLBACK))
    assert told.daily_cap_usd == Decimal("50.0")
    assert told.trip_without_spend is True
    assert policy.parse(gateway.switch_policy(FallbackSettings())) == policy.Policy()
    names = {field.name for field in fields(policy.Policy)}
    assert {field.name for field in fields(SwitchSettings)} <= names


def test_the_names_of_the_tables_keys_are_the_program_s() -> None:
    """What is declared elsewhere is what is written and read here."""
    assert counter.PK == shelf.PK == gateway.TABLE_KEY
    assert shelf.EXPIRES == gateway.STALE_TTL


def test_hadolint_has_nothing_to_say() -> None:
    """The image's Dockerfile follows the usual rules."""
    done = subprocess.run(
        [str(Path(sys.executable).parent / "hadolint"), "--no-color", "-"],
        input=gateway_image.dockerfile(AWAY.fallback.image),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_runs_as_nobody_and_says_how_it_is() -> None:
    """Not as root, with a health check, LiteLLM by hash."""
    text = gateway_image.dockerfile("python:3.12.12-slim-bookworm")
    assert "USER 10001\n" in text
    assert "HEALTHCHECK" in text
    assert "--require-hashes" in text
    lock = gateway_image.LOCK.read_text()
    pinned = [line for line in lock.splitlines() if "==" in line and not line.startswith(" ")]
    assert len(pinned) > 50
    assert all(line.endswith("\\") for line in pinned)
    assert lock.count("--hash=sha256:") >= len(pinned)


def test_the_image_is_named_by_all_that_is_in_it() -> None:
    """Another base is another image; the same files are the same one."""
    one = gateway_image.gateway_image(AWAY, "registry/llm-fleet-prod")
    other = replace(AWAY, fallback=replace(FALLBACK, image="python:3.12.13-slim-bookworm"))
    assert one == gateway_image.gateway_image(AWAY, "registry/llm-fleet-prod")
    assert one["dockerfile"] == "Dockerfile.gateway"
    assert str(one["target"]).startswith("registry/llm-fleet-prod:gateway-")
    assert one["target"] != gateway_image.gateway_image(other, "registry/llm-fleet-prod")["target"]


def test_the_program_starts_from_its_bundle_alone(tmp_path: Path) -> None:
    """Nothing else of ours is on its path: it says what it lacks, and that is only its document."""
    bundle = tmp_path / "gateway.pyz"
    bundle.write_bytes(gateway_image.gateway_bundle())
    done = subprocess.run(
        [sys.executable, "-I", "-c", _START, str(bundle)], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (1, _LACKS)
    held = zipfile.ZipFile(io.BytesIO(bundle.read_bytes())).namelist()
    of_agent = {name for name in held if name.startswith("provision/agent/")}
    assert len(of_agent) < len(list(AGENT.glob("*.py")))
    assert not any("switch" in name or "config" in name for name in held)


_START = """
import runpy, sys
sys.path.insert(0, sys.argv.pop(1))
import provision.gateway.supervisor, provision.gateway.table, provision.gateway.shelf
runpy.run_module("provision.gateway", run_name="__main__")
"""
_LACKS = "error: the environment has no GATEWAY; the task definition has it\n"


def test_the_document_fits_into_a_task_definition() -> None:
    """ECS takes 64 KB for all of it."""
    assert len(document()) < 8_000
    assert "sk-" not in json.dumps(document())
