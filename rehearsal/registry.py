"""The image registry: Debian's docker-registry, whose pushes appear in moto's ECR."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from rehearsal.http_server import QuietHandler
from rehearsal.processes import Process, spawn
from rehearsal.settings import WEBHOOK_PORT, Settings

MANIFESTS = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
)


def start(settings: Settings) -> Process:
    """Run the registry on its address, plain HTTP, and remember its process."""
    folder = settings.state / "registry"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "config.json"
    file.write_text(json.dumps(_config(settings, folder), indent=2))
    process = spawn("docker-registry", "serve", file, log=folder / "log")
    process.save(settings.state / "registry.json")
    return process


def handler(ecr: Any, registry: str, say: Callable[[str], None]) -> type[QuietHandler]:
    """Receives the registry's events and writes every pushed tag into *ecr*."""

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            for event in json.loads(self.body())["events"]:
                target = event["target"]
                if event["action"] == "push" and target.get("tag"):
                    try:
                        record(ecr, registry, target)
                    except (ClientError, OSError) as error:
                        say(f"registry event: {error}")
            self.answer(200)

    return Handler


def record(ecr: Any, registry: str, target: Mapping[str, str]) -> None:
    """Tell ECR of an image that was pushed; a repository that ECR lacks is left out.

    The manifest is asked for by digest: the event comes before the registry knows the tag.
    """
    repository, digest = target["repository"], target["digest"]
    known = {r["repositoryName"] for r in ecr.describe_repositories()["repositories"]}
    if repository not in known:
        return
    request = urllib.request.Request(
        f"http://{registry}/v2/{repository}/manifests/{digest}",
        headers={"Accept": ", ".join(MANIFESTS)},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        manifest = answer.read().decode()
        kind = answer.headers["Content-Type"]
    try:
        ecr.put_image(
            repositoryName=repository,
            imageManifest=manifest,
            imageManifestMediaType=kind,
            imageTag=target["tag"],
            imageDigest=digest,
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ImageAlreadyExistsException":
            raise


def _config(settings: Settings, folder: Path) -> dict[str, Any]:
    network = settings.network
    return {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(folder / "data")},
            "delete": {"enabled": True},
        },
        "http": {"addr": f"{network.registry}:80"},
        "notifications": {
            "endpoints": [
                {
                    "name": "ecr",
                    "url": f"http://{network.machine}:{WEBHOOK_PORT}/events",
                    "timeout": "5s",
                    "threshold": 5,
                    "backoff": "1s",
                }
            ]
        },
    }
