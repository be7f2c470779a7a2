"""The files of a release, from an environment and what sizing chose."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from provision.catalog.models import Model
from provision.config.environment import Environment
from provision.config.timeouts import TimeoutChain
from provision.render.agent import agent_config
from provision.render.bundle import host_bundle
from provision.render.compose import compose_file, share_out
from provision.render.engine import dockerfile, engine_config, start_script
from provision.render.front import nginx_config, spill
from provision.render.places import ENGINE_PORT
from provision.render.units import units

UNPINNED = "main"


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a release is assembled from.

    Attributes:
        files: relative path -> content; the folder is also the engine image's build context.
        facts: JSON values that the host program and the planner read from ``release.json``:
            ``images`` (``engine`` and ``front``: registry/repository:tag), ``base_image``,
            ``repository``, ``model_revision``, ``weights_prefix`` (folder in the bucket),
            ``model_folder`` (below the host's cache), ``served_name``, ``replicas``,
            ``tensor_parallel_size``, ``ports``, ``containers``, ``units``, ``compose_grace_s``.
        images: ``{"target", "source", "dockerfile"}`` of each image that the environment's
            registry must hold; ``dockerfile`` is None for one that is copied.
    """

    files: Mapping[str, str | bytes]
    facts: Mapping[str, Any]
    images: tuple[dict[str, str | None], ...]


def render_release(
    environment: Environment,
    *,
    model: Model,
    tensor_parallel_size: int,
    replicas: int,
    chain: TimeoutChain,
    repository_url: str,
) -> Rendered:
    """Render everything that a host needs to serve *model*.

    The same values give the same bytes.
    """
    build = {"Dockerfile": dockerfile(environment.engine), "start_vllm.sh": start_script()}
    engine_image = f"{repository_url}:engine-{_digest(environment.engine.image, *build.values())}"
    front = front_image(environment, repository_url)
    served_name = environment.model.served_name or environment.model.name
    revision = environment.model.revision or model.revision or UNPINNED
    folder = f"{_folder_name(model.name)}/{revision}"
    hosted = share_out(replicas, gpus=tensor_parallel_size)

    files: dict[str, str | bytes] = {
        **build,
        # The image is built in the release folder: only the script goes to the daemon.
        ".dockerignore": "*\n!start_vllm.sh\n",
        "engine.yaml": engine_config(
            environment.engine,
            served_names=_served_names(served_name, model),
            tensor_parallel_size=tensor_parallel_size,
            chain=chain,
        ),
        "docker-compose.yml": compose_file(
            environment,
            replicas=hosted,
            engine_image=engine_image,
            front_image=front,
            model_folder=f"models/{folder}",
            chain=chain,
        ),
        "nginx.conf": nginx_config(
            environment.front,
            engines=[f"{one.address}:{ENGINE_PORT}" for one in hosted],
            chain=chain,
            spill=spill(environment),
        ),
        "agent.json": agent_config(environment, model, served_name=served_name, replicas=hosted),
        "host.pyz": host_bundle(),
        **units(),
    }
    facts = {
        "images": {"engine": engine_image, "front": front},
        "base_image": environment.engine.image,
        "repository": model.repository,
        "model_revision": revision,
        "weights_prefix": f"weights/{folder}",
        "model_folder": f"models/{folder}",
        "served_name": served_name,
        "replicas": replicas,
        "tensor_parallel_size": tensor_parallel_size,
        "ports": [one.port for one in hosted],
        "containers": [one.container for one in hosted],
        "units": list(units()),
        "compose_grace_s": chain.compose_grace_s,
    }
    return Rendered(files, facts, _images(environment, engine_image, front))


def front_image(environment: Environment, repository_url: str) -> str:
    """The front's image in the environment's registry: of hosts and of gateways alike."""
    return f"{repository_url}:front-{_digest(environment.front.image)}"


def _images(environment: Environment, engine: str, front: str) -> tuple[dict[str, str | None], ...]:
    return (
        {"target": engine, "source": environment.engine.image, "dockerfile": "Dockerfile"},
        {"target": front, "source": environment.front.image, "dockerfile": None},
    )


def _served_names(served_name: str, model: Model) -> tuple[str, ...]:
    """The name that clients use first, then the names that they may know the model by."""
    return tuple(dict.fromkeys((served_name, model.name, model.repository)))


def _folder_name(model: str) -> str:
    return model.replace("/", "--")


def _digest(*parts: str) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(hashlib.sha256(part.encode()).digest())
    return whole.hexdigest()[:12]
