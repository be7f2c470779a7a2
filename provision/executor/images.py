"""What the host program is told of images that it shall push."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from provision.connectors.protocols import Cloud
from provision.planning.actions import ImageSpec


def mirror_document(
    cloud: Cloud, release_id: str, images: Sequence[ImageSpec], *, build: str | None = None
) -> dict[str, Any]:
    """The request, with the operator's own token for the registry.

    *build* names the folder that holds the Dockerfiles; without it they are in the release's.
    """
    return {
        "release": release_id,
        "registry": images[0].target.split("/", 1)[0],
        "registry_password": cloud.registry_password().reveal(),
        "images": [asdict(image) for image in images],
        "build": build,
    }
