"""A release's manifest: what is in the folder, and what the host needs to know beside it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple

from provision.agent.errors import AgentError
from provision.agent.system import read_json

MANIFEST = "release.json"
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Manifest:
    """``release.json`` as far as the host needs it."""

    release: str
    model: str
    files: Mapping[str, str]
    model_revision: Optional[str]
    model_folder: Optional[str]
    weights_prefix: Optional[str]
    images: Tuple[str, ...]
    compose_grace_s: float

    @staticmethod
    def parse(document: Mapping[str, Any]) -> Manifest:
        """Read the document. Raises AgentError naming the missing key."""
        try:
            facts: Mapping[str, Any] = document["facts"]
            return Manifest(
                release=document["release"],
                model=document["model"],
                files=dict(document["files"]),
                model_revision=facts.get("model_revision"),
                model_folder=facts.get("model_folder"),
                weights_prefix=facts.get("weights_prefix"),
                images=tuple(dict.fromkeys(_images(facts["images"]))),
                compose_grace_s=float(facts["compose_grace_s"]),
            )
        except (KeyError, TypeError) as error:
            raise AgentError(
                f"release.json is not as expected: {error!r}", hint="deploy again"
            ) from None


def read(folder: Path) -> Manifest:
    """The manifest of the release in *folder*."""
    return Manifest.parse(read_json(folder / MANIFEST))


def verified(folder: Path, release_id: str) -> Manifest:
    """The manifest, after every file of *folder* was found to be what it says.

    Raises AgentError naming each file that is missing or different.
    """
    manifest = read(folder)
    if manifest.release != release_id:
        raise AgentError(
            f"{folder} holds release {manifest.release}, not {release_id}", hint="deploy again"
        )
    wrong = _differing(folder, manifest.files)
    if wrong:
        raise AgentError(
            f"release {release_id} is damaged: {', '.join(wrong)}",
            hint="deploy again: the files are sent anew",
        )
    return manifest


def intact(folder: Path, release_id: str) -> bool:
    """The folder holds this release, whole."""
    try:
        verified(folder, release_id)
    except AgentError:
        return False
    return True


def sha256_of(path: Path) -> str:
    """The sha256 of a file, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while True:
            block = file.read(_BLOCK)
            if not block:
                return digest.hexdigest()
            digest.update(block)


def _differing(folder: Path, files: Mapping[str, str]) -> List[str]:
    wrong = []
    for name, expected in sorted(files.items()):
        path = folder / name
        if not path.is_file():
            wrong.append(f"{name} is missing")
        elif sha256_of(path) != expected:
            wrong.append(f"{name} differs")
    return wrong


def _images(images: Any) -> List[str]:
    values: Dict[str, str] = dict(images)
    return [image for image in values.values() if image]
