"""A release's folder from the bucket: whole and verified, or not there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from provision.agent.cloud import Cloud
from provision.agent.errors import AgentError
from provision.agent.manifest import MANIFEST, Manifest, verified
from provision.agent.paths import Paths


def fetch_release(cloud: Cloud, paths: Paths, release_id: str) -> Path:
    """Download ``releases/<id>/`` into its folder, which appears only when it is right."""
    target = paths.release(release_id)
    partial = target.with_name(f".{release_id}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    manifest = Manifest.parse(json.loads(_object(cloud, release_id, MANIFEST)))
    for name in [MANIFEST, *manifest.files]:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise AgentError(f"release {release_id} names a path outside: {name}")
        path = partial / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_object(cloud, release_id, name))
    verified(partial, release_id)
    shutil.rmtree(target, ignore_errors=True)  # a damaged one
    partial.rename(target)
    return target


def _object(cloud: Cloud, release_id: str, name: str) -> bytes:
    body = cloud.get_object(f"releases/{release_id}/{name}")
    if body is None:
        raise AgentError(
            f"release {release_id} is not whole in the bucket: {name} is missing",
            hint="deploy again: it publishes the release",
        )
    return body
