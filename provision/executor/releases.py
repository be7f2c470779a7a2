"""Releases as the environment's bucket holds them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from provision.connectors.protocols import Cloud
from provision.errors import FleetError, UsageError
from provision.planning.release import CURRENT, MANIFEST, parse_before, parse_current
from provision.planning.rollback import Published

_ROOT = "releases/"


@dataclass(frozen=True, slots=True)
class Row:
    """One published release for a list. *revision* is the weights'; None is unknown."""

    id: str
    model: str
    revision: str | None
    image: str | None
    current: bool
    before: bool


class Releases:
    """Reads what was published; writes nothing."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def ids(self) -> tuple[str, ...]:
        """All that were published whole, in the order of their names."""
        keys = self._cloud.list_objects(_ROOT)
        ending = f"/{MANIFEST}"
        return tuple(
            sorted(k.removeprefix(_ROOT).removesuffix(ending) for k in keys if k.endswith(ending))
        )

    def rows(self) -> tuple[Row, ...]:
        """All of them, the current one and the one before it first."""
        pointer = self._cloud.get_object(CURRENT)
        current, before = parse_current(pointer), parse_before(pointer)
        rows = [self._row(one, current, before) for one in self.ids()]
        return tuple(sorted(rows, key=lambda row: (not row.current, not row.before, row.id)))

    def before(self) -> str:
        """The release that was current before this one. Raises UsageError when there is none."""
        before = parse_before(self._cloud.get_object(CURRENT))
        if before is None:
            raise UsageError(
                "no release was current before this one",
                hint="`fab releases` shows what was published: fab rollback --to RELEASE",
            )
        return before

    def published(self, release_id: str) -> Published:
        """What *release_id* is, and what it lacks by now. Raises UsageError for an unknown one."""
        manifest = self._manifest(release_id)
        facts = manifest["facts"]
        agent = self._json(release_id, "agent.json")
        return Published(
            id=release_id,
            model=str(manifest["model"]),
            chat=bool(agent.get("chat", False)) if agent is not None else True,
            missing=tuple(self._missing(release_id, manifest["files"], facts)),
            engines=facts.get("replicas"),
            gpus_each=facts.get("tensor_parallel_size"),
            weights_bytes=self._weights_bytes(facts.get("weights_prefix")),
        )

    def files(self, release_id: str) -> dict[str, str]:
        """The release's text files, by path. Raises UsageError for an unknown one."""
        found = {}
        for path in sorted(self._manifest(release_id)["files"]):
            content = self._cloud.get_object(f"{_ROOT}{release_id}/{path}")
            try:
                found[path] = "" if content is None else content.decode()
            except UnicodeDecodeError:
                continue  # the host program is a zip
        return found

    def _weights_bytes(self, folder: str | None) -> int | None:
        text = self._cloud.get_object(f"{folder}/manifest.json") if folder else None
        files = json.loads(text)["files"] if text else {}
        return sum(int(one["size"]) for one in files.values()) if files else None

    def _row(self, release_id: str, current: str | None, before: str | None) -> Row:
        manifest = self._json(release_id, MANIFEST) or {}
        facts = manifest.get("facts", {})
        image = facts.get("images", {}).get("engine")
        return Row(
            id=release_id,
            model=str(manifest.get("model", "unknown")),
            revision=facts.get("model_revision"),
            image=image.rpartition(":")[2] if image else None,
            current=release_id == current,
            before=release_id == before,
        )

    def _manifest(self, release_id: str) -> Mapping[str, Any]:
        manifest = self._json(release_id, MANIFEST)
        if manifest is None:
            known = ", ".join(self.ids()) or "none"
            raise UsageError(f"no release {release_id} was published", hint=f"there are: {known}")
        return manifest

    def _json(self, release_id: str, path: str) -> Mapping[str, Any] | None:
        text = self._cloud.get_object(f"{_ROOT}{release_id}/{path}")
        if text is None:
            return None
        try:
            document: Mapping[str, Any] = json.loads(text)
        except ValueError as error:
            raise FleetError(
                f"{_ROOT}{release_id}/{path} in the bucket is not JSON: {error}",
                hint="restore its last version, or `fab deploy`",
            ) from error
        return document

    def _missing(
        self, release_id: str, files: Mapping[str, str], facts: Mapping[str, Any]
    ) -> Iterator[str]:
        there = set(self._cloud.list_objects(f"{_ROOT}{release_id}/"))
        gone = [path for path in sorted(files) if f"{_ROOT}{release_id}/{path}" not in there]
        if gone:
            yield f"{', '.join(gone)} of the release are not in the bucket"
        for image in sorted(facts["images"].values()):
            if self._cloud.image_digest(image.rpartition(":")[2]) is None:
                yield f"the image {image} is not in the registry"
        folder = facts.get("weights_prefix")
        if folder and self._cloud.get_object(f"{folder}/manifest.json") is None:
            yield f"the weights {folder} are not in the bucket"
