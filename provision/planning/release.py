"""A release: rendered files, named by the digest of what they say."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MANIFEST = "release.json"
CURRENT = "releases/current"  # the object that names the release of booting hosts


@dataclass(frozen=True, slots=True)
class Release:
    """A folder of files that a host applies as a whole.

    Attributes:
        id: ``r-`` and twelve hex digits over files, image and model revision.
        model: the name that clients use.
        files: relative path -> content; holds :data:`MANIFEST`, which lists the others' sha256.
    """

    id: str
    model: str
    files: Mapping[str, bytes]

    @property
    def size_bytes(self) -> int:
        """Bytes to upload."""
        return sum(len(content) for content in self.files.values())


def assemble(model: str, files: Mapping[str, str | bytes], facts: Mapping[str, Any]) -> Release:
    """Name *files* by their digest and add the manifest.

    *facts* are what the host program needs beside the files (image, model, revision, replicas):
    JSON values, part of the digest.
    """
    contents = {path: _bytes(content) for path, content in files.items()}
    sums = {path: hashlib.sha256(data).hexdigest() for path, data in sorted(contents.items())}
    body = {"model": model, "facts": dict(facts), "files": sums}
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    manifest = {"release": f"r-{digest[:12]}", **body}
    text = json.dumps(manifest, indent=2, sort_keys=True) + "\n"
    return Release(f"r-{digest[:12]}", model, {**contents, MANIFEST: text.encode()})


def current_document(release_id: str, *, before: str | None = None) -> bytes:
    """The text of :data:`CURRENT`; *before* is the release that it names until now."""
    names = {"release": release_id, **({"before": before} if before else {})}
    return json.dumps(names).encode()


def parse_before(text: bytes | None) -> str | None:
    """The release that was current before the one that :data:`CURRENT` names, None if none was."""
    try:
        before = json.loads(text).get("before") if text else None
    except (ValueError, AttributeError):
        return None
    return str(before) if before else None


def parse_current(text: bytes | None) -> str | None:
    """The release that :data:`CURRENT` names, None when it names none."""
    try:
        return str(json.loads(text)["release"]) if text else None
    except (ValueError, LookupError, TypeError):
        return None


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content
