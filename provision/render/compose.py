"""``docker-compose.yml``: the containers of one host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from provision.config.environment import Environment
from provision.render import places
from provision.render.engine import container_environment
from provision.render.templates import render

if TYPE_CHECKING:
    from provision.config.timeouts import TimeoutChain


def replica(index: int, *, gpus: int) -> dict[str, Any]:
    """One engine of a host: its container, ports, address, and the *gpus* that are its own."""
    first = index * gpus
    return {
        "index": index,
        "container": places.engine_container(index),
        "port": places.ENGINE_PORT_BASE + index,
        "address": places.engine_address(index),
        "gpus": [str(gpu) for gpu in range(first, first + gpus)],
    }


def compose_file(
    environment: Environment,
    *,
    replicas: list[dict[str, Any]],
    engine_image: str,
    front_image: str,
    model_folder: str,
    chain: TimeoutChain,
) -> str:
    """The file, for compose v1 (1.29) and v2 alike. *model_folder* is below the host's cache."""
    model_path = f"{places.MODELS}/{model_folder.removeprefix('models/')}"
    ready_timeout_s = environment.health.ready_timeout_s
    return render(
        "docker-compose.yml",
        replicas=replicas,
        several_gpus=len(replicas[0]["gpus"]) > 1,
        engine_image=engine_image,
        front_image=front_image,
        environment=container_environment(
            environment.engine,
            model_path=model_path,
            ready_timeout_s=ready_timeout_s,
            chain=chain,
        ),
        mounts=environment.engine.mounts,
        model_folder=model_folder,
        model_path=model_path,
        grace_s=chain.compose_grace_s,
        start_period_s=ready_timeout_s,
        cache=places.CACHE,
        etc=places.ETC,
        run=places.RUN,
        engine_port=places.ENGINE_PORT,
        engine_config=places.ENGINE_CONFIG,
        engine_cache=places.ENGINE_CACHE,
        front_port=places.FRONT_PORT,
        front_address=places.FRONT_ADDRESS,
        subnet=places.SUBNET,
    )
