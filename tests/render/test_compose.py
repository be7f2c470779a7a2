"""The containers of a host, as docker-compose (v1) itself reads the file."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from provision.render.release import Rendered
from tests.render.releases import LAYOUT, environment, release, render, write


def config(rendered: Rendered, folder: Path) -> dict[str, Any]:
    """The file as compose v1 understands it, paths made absolute, variables filled in."""
    write(rendered, folder)
    file = folder / "docker-compose.yml"
    hop = folder / "hop.env"
    hop.write_text("VLLM_API_KEY=hop\n")
    file.write_text(file.read_text().replace("/etc/llm-fleet/hop.env", str(hop)))
    done = subprocess.run(
        ["docker-compose", "-p", "llm-fleet", "-f", str(file), "config"],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    read: dict[str, Any] = yaml.safe_load(done.stdout)
    return read


@pytest.mark.parametrize("name", LAYOUT)
def test_compose_accepts_every_release(name: str, tmp_path: Path) -> None:
    """Without a warning; the engine's own secret comes from the host."""
    services = config(release(name), tmp_path)["services"]

    assert set(services) == {"engine-0", "front"}
    assert services["engine-0"]["environment"]["VLLM_API_KEY"] == "hop"


def test_compose_v2_would_accept_it_too() -> None:
    """No key that only one of the two schemas knows, at the top or in a service."""
    document = yaml.safe_load(str(release("prod").files["docker-compose.yml"]))
    engine, front = document["services"]["engine-0"], document["services"]["front"]

    assert set(document) == {"services", "networks"}
    assert set(engine) | set(front) == {
        "container_name",
        "depends_on",
        "deploy",
        "entrypoint",
        "env_file",
        "environment",
        "healthcheck",
        "image",
        "init",
        "logging",
        "networks",
        "ports",
        "restart",
        "shm_size",
        "stop_grace_period",
        "stop_signal",
        "tmpfs",
        "volumes",
    }
    assert set(engine["healthcheck"]) == {"test", "interval", "timeout", "retries", "start_period"}


def test_replicas_share_nothing_that_they_would_fight_over(tmp_path: Path) -> None:
    """Eight engines of one GPU each: names, ports, addresses and GPUs of their own."""
    services = config(render(environment("prod"), replicas=8), tmp_path)["services"]
    engines = [services[f"engine-{index}"] for index in range(8)]

    assert [engine["container_name"] for engine in engines] == [
        f"llm-fleet-engine-{index}" for index in range(8)
    ]
    assert [engine["ports"] for engine in engines] == [
        [f"127.0.0.1:{8001 + index}:8000/tcp"] for index in range(8)
    ]
    assert [engine["networks"]["fleet"]["ipv4_address"] for engine in engines] == [
        f"198.18.97.{10 + index}" for index in range(8)
    ]
    assert [_gpus(engine) for engine in engines] == [[str(index)] for index in range(8)]


def test_engines_of_several_gpus_share_none(tmp_path: Path) -> None:
    """Tensor parallel over four, twice on a host of eight; with room to talk among workers."""
    services = config(render(environment("prod-70b"), gpus=4, replicas=2), tmp_path)["services"]

    assert _gpus(services["engine-0"]) == ["0", "1", "2", "3"]
    assert _gpus(services["engine-1"]) == ["4", "5", "6", "7"]
    assert services["engine-0"]["ulimits"] == {"memlock": -1}
    assert services["engine-0"]["shm_size"] == "16g"


def test_one_gpu_asks_for_no_limit_that_a_small_host_refuses(tmp_path: Path) -> None:
    """Docker refuses to start a container whose limits are above the daemon's own."""
    assert "ulimits" not in config(release("prod"), tmp_path)["services"]["engine-0"]


def test_only_the_front_is_reachable_from_outside(tmp_path: Path) -> None:
    """Everything else is published on loopback, and nothing runs on the host's network."""
    services = config(render(environment("prod"), replicas=2), tmp_path)["services"]
    published = {name: service["ports"] for name, service in services.items()}

    assert published == {
        "engine-0": ["127.0.0.1:8001:8000/tcp"],
        "engine-1": ["127.0.0.1:8002:8000/tcp"],
        "front": [{"published": 8000, "target": 8000}],
    }
    assert not any("network_mode" in service for service in services.values())
    assert not any(service.get("privileged") for service in services.values())


def test_weights_are_read_only_and_caches_survive(tmp_path: Path) -> None:
    """Both cache mounts, the release's own configuration, then what the file adds."""
    base = environment("prod")
    mounted = replace(base, engine=replace(base.engine, mounts=("/opt/x:/opt/x:ro",)))
    revision = release("prod").facts["model_revision"]
    volumes = config(render(mounted), tmp_path)["services"]["engine-0"]["volumes"]

    assert volumes == [
        {
            "type": "bind",
            "source": str(tmp_path / "engine.yaml"),
            "target": "/etc/llm-fleet/engine.yaml",
            "read_only": True,
        },
        {
            "type": "bind",
            "source": f"/var/lib/llm-fleet/cache/models/mistral-7b/{revision}",
            "target": f"/models/mistral-7b/{revision}",
            "read_only": True,
        },
        {
            "type": "bind",
            "source": "/var/lib/llm-fleet/cache/engine-cache",
            "target": "/engine-cache",
        },
        "/opt/x:/opt/x:ro",
    ]


def test_a_dollar_in_a_variable_stays_a_dollar(tmp_path: Path) -> None:
    """Compose fills in ``$NAME``: what the file says must reach the engine as it is."""
    base = environment("prod")
    said = {"CHAT": "$HOME ${X:-y} 100$ \"quoted\" 'é'"}
    written = render(replace(base, engine=replace(base.engine, env=said)))
    shown = config(written, tmp_path)["services"]["engine-0"]["environment"]["CHAT"]

    assert shown.replace("$$", "$") == said["CHAT"]


def test_the_front_stops_first_and_everyone_has_the_chains_time(tmp_path: Path) -> None:
    """Longer than the longest generation, so that no answer is cut off."""
    services = config(render(environment("prod"), replicas=2), tmp_path)["services"]
    grace = f"{environment('prod').engine.longest_generation_s + 30}s"

    assert list(services["front"]["depends_on"]) == ["engine-0", "engine-1"]
    assert services["front"]["stop_signal"] == "SIGQUIT"
    assert {_seconds(service["stop_grace_period"]) for service in services.values()} == {grace}
    assert {service["restart"] for service in services.values()} == {"unless-stopped"}
    assert services["engine-0"]["init"] is True


def test_what_is_compiled_is_kept_and_nothing_leaves_the_host(tmp_path: Path) -> None:
    """The engine's variables, compared whole."""
    found = config(release("dev"), tmp_path)["services"]["engine-0"]["environment"]
    own = environment("dev").engine.env

    assert {name: value for name, value in found.items() if name not in own} == {
        "CUDA_CACHE_PATH": "/engine-cache/cuda",
        "DO_NOT_TRACK": "1",
        "FLASHINFER_WORKSPACE_BASE": "/engine-cache",
        "HF_HUB_OFFLINE": "1",
        "MODEL_PATH": f"/{release('dev').facts['model_folder']}",
        "TRITON_CACHE_DIR": "/engine-cache/triton",
        "VLLM_API_KEY": "hop",
        "VLLM_CACHE_ROOT": "/engine-cache/vllm",
        "VLLM_ENGINE_READY_TIMEOUT_S": "1200",
        "VLLM_HTTP_TIMEOUT_KEEP_ALIVE": "75",
        "VLLM_MAX_N_SEQUENCES": "64",
        "VLLM_NO_USAGE_STATS": "1",
    }


def _gpus(engine: dict[str, Any]) -> list[str]:
    [device] = engine["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])
    gpus: list[str] = device["device_ids"]
    return gpus


def _seconds(duration: str) -> str:
    minutes, _, seconds = duration.rpartition("m")
    return f"{int(minutes or 0) * 60 + int(seconds.removesuffix('s') or 0)}s"
