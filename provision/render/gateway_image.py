"""The gateway's image: a base, LiteLLM by hash, and the program."""

from __future__ import annotations

import hashlib
from pathlib import Path

import provision
from provision.config.environment import Environment
from provision.render.bundle import AGENT, archive, sources
from provision.render.places import GATEWAY_PORT, GATEWAY_RUN
from provision.render.templates import render

ROOT = Path(provision.__file__).resolve().parent.parent
LOCK = ROOT / "requirements-gateway.lock"
GATEWAY = AGENT.with_name("gateway")
DOCKERFILE, BUNDLE = "Dockerfile.gateway", "gateway.pyz"
PROGRAM = f"/opt/llm-fleet/{BUNDLE}"
UID = 10001
# Of the host program the gateway takes along what answers the front: the client keys.
_TAKEN_ALONG = ("__init__", "errors", "keys", "server", "system")


def gateway_files(environment: Environment) -> dict[str, str | bytes]:
    """The build context: ``docker build -f Dockerfile.gateway`` in a folder with these."""
    return {
        DOCKERFILE: dockerfile(environment.fallback.image),
        LOCK.name: LOCK.read_text(encoding="utf-8"),
        BUNDLE: gateway_bundle(),
        ".dockerignore": f"*\n!{LOCK.name}\n!{BUNDLE}\n",
    }


def gateway_image(environment: Environment, repository_url: str) -> dict[str, str | None]:
    """What the environment's registry must hold, as a release names its images."""
    whole = hashlib.sha256()
    for name, content in sorted(gateway_files(environment).items()):
        data = content.encode() if isinstance(content, str) else content
        whole.update(name.encode() + hashlib.sha256(data).digest())
    return {
        "target": f"{repository_url}:gateway-{whole.hexdigest()[:12]}",
        "source": environment.fallback.image,
        "dockerfile": DOCKERFILE,
    }


def dockerfile(base_image: str) -> str:
    """The image's Dockerfile."""
    return render(
        DOCKERFILE,
        base_image=base_image,
        lock=LOCK.name,
        bundle=BUNDLE,
        program=PROGRAM,
        uid=UID,
        run=GATEWAY_RUN,
        port=GATEWAY_PORT,
    )


def gateway_bundle() -> bytes:
    """``gateway.pyz``: the program's sources, on the module search path as they are."""
    taken = {
        name: content
        for name, content in sources("agent", AGENT).items()
        if name.removeprefix("provision/agent/").removesuffix(".py") in _TAKEN_ALONG
    }
    return archive({**sources("gateway", GATEWAY), **taken})
