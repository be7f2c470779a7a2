"""``docker-compose.yml``: the containers of one host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from provision.config.environment import Environment
from provision.config.timeouts import TimeoutChain
from provision.render import places
from provision.render.engine import container_environment
from provision.render.templates import render


@dataclass(frozen=True, slots=True)
class Replica:
    """One engine of a host, with GPUs of its own."""

    index: int
    gpus: tuple[str, ...]

    @property
    def container(self) -> str:
        """Name of its container."""
        return places.engine_container(self.index)

    @property
    def port(self) -> int:
        """Its port on the host's loopback."""
        return places.ENGINE_PORT_BASE + self.index

    @property
    def address(self) -> str:
        """Its address on the containers' network."""
        return places.engine_address(self.index)


def share_out(replicas: int, *, gpus: int) -> tuple[Replica, ...]:
    """The engines of a host with *gpus* GPUs each."""
    return tuple(
        Replica(index, tuple(str(index * gpus + gpu) for gpu in range(gpus)))
        for index in range(replicas)
    )


def compose_file(
    environment: Environment,
    *,
    replicas: Sequence[Replica],
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
        several_gpus=len(replicas[0].gpus) > 1,
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
