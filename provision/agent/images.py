"""The images of a release, on this host. They come from the account's own registry."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import List, Sequence

from provision.agent.cloud import Cloud
from provision.agent.docker import Docker, registry_of
from provision.agent.errors import AgentError, DockerError


def ensure(docker: Docker, cloud: Cloud, images: Sequence[str], *, scratch: Path) -> List[str]:
    """Pull what is missing; the names that were pulled.

    The login lives in a folder below *scratch* for the time of the pull. Raises AgentError.
    """
    missing = [image for image in images if not docker.has_image(image)]
    if not missing:
        return []
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        config = Path(name)
        if any(".dkr.ecr." in registry_of(image) for image in missing):
            registry, password = cloud.registry_login()
            docker.login(registry, password, config=config)
        for image in missing:
            _pull(docker, image, config)
    return missing


def _pull(docker: Docker, image: str, config: Path) -> None:
    try:
        docker.pull(image, config=config)
    except DockerError as error:
        raise AgentError(
            f"can't pull {image}: {error.reason}",
            hint="was it mirrored? `fab deploy` does; without a network, load it with docker load",
            log=error.log,
        ) from None
