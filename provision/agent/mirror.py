"""Images into the account's own registry, so that a boot at 3 am needs no other."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Optional, Tuple

from provision.agent.docker import Docker
from provision.agent.errors import AgentError, DockerError
from provision.agent.events import Events
from provision.agent.paths import Paths


@dataclass(frozen=True)
class Image:
    """*source*, built on with *dockerfile* of the release when there is one, becomes *target*."""

    target: str
    source: str
    dockerfile: Optional[str] = None


@dataclass(frozen=True)
class Request:
    """What to mirror. Without a *registry* the images stay on this host.

    With *build* the Dockerfiles are in a folder of that name which was brought for it: it goes away
    again, and so do the images, which no host runs.
    """

    images: Tuple[Image, ...]
    release: str
    registry: str
    registry_password: str
    build: Optional[str] = None

    @staticmethod
    def parse(document: Mapping[str, Any]) -> Request:
        """Read the request. Raises AgentError."""
        try:
            return Request(
                images=tuple(Image(**image) for image in document["images"]),
                release=document["release"],
                registry=document.get("registry") or "",
                registry_password=document.get("registry_password") or "",
                build=document.get("build"),
            )
        except (KeyError, TypeError) as error:
            raise AgentError(f"the mirror request is not as expected: {error!r}") from None


def mirror(paths: Paths, docker: Docker, events: Events, request: Request) -> None:
    """Get, build or tag, and push every image. The login ends with it."""
    if not request.build:
        _mirror(paths, docker, events, request, paths.release(request.release))
        return
    folder = paths.build(request.build)
    try:
        _mirror(paths, docker, events, request, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if request.registry:
        for image in request.images:
            with suppress(DockerError):  # it is pushed: what stays here is only disk
                docker.remove_image(image.target)


def _mirror(paths: Paths, docker: Docker, events: Events, request: Request, folder: Path) -> None:
    for image in request.images:
        with events.phase("pull"):
            _get(docker, image.source)
        with events.phase("build"):
            if image.dockerfile:
                docker.build(image.target, folder / image.dockerfile, folder)
            else:
                docker.tag(image.source, image.target)
    if request.registry:
        with events.phase("push"):
            _push(paths, docker, request)
    events.emit("mirrored", images=[image.target for image in request.images])


def _get(docker: Docker, source: str) -> None:
    if docker.has_image(source):
        return
    try:
        docker.pull(source)
    except DockerError as error:
        raise AgentError(
            f"can't pull {source}: {error.reason}",
            hint="does the image exist, and does this host reach its registry?",
            log=error.log,
        ) from None


def _push(paths: Paths, docker: Docker, request: Request) -> None:
    paths.run.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=paths.run) as name:
        config = Path(name)
        docker.login(request.registry, request.registry_password, config=config)
        try:
            for image in request.images:
                docker.push(image.target, config=config)
        finally:
            docker.logout(request.registry, config=config)
