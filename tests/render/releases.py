"""The releases that tests look at: every environment file, with what sizing chooses for it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from provision.catalog.models import model
from provision.config.environment import Environment
from provision.config.load import load
from provision.config.timeouts import chain
from provision.render.release import Rendered, render_release

ROOT = Path(__file__).resolve().parent.parent.parent
# Environment -> GPUs of one engine, engines on one host.
LAYOUT = {"dev": (1, 1), "prod": (1, 1), "prod-70b": (8, 1), "rehearsal": (1, 1)}
REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com/llm-fleet"


@cache
def environment(name: str) -> Environment:
    """The environment as its file says."""
    return load(name, folder=ROOT)


def render(environment: Environment, *, gpus: int = 1, replicas: int = 1) -> Rendered:
    """The release of an environment for its own model."""
    return render_release(
        environment,
        model=model(environment.model.name),
        tensor_parallel_size=gpus,
        replicas=replicas,
        chain=chain(environment.engine),
        repository_url=f"{REGISTRY}-{environment.name}",
    )


@cache
def release(name: str) -> Rendered:
    """The release of one environment file."""
    gpus, replicas = LAYOUT[name]
    return render(environment(name), gpus=gpus, replicas=replicas)


def text(rendered: Rendered, name: str) -> str:
    """One text file of a release."""
    content = rendered.files[name]
    assert isinstance(content, str)
    return content


def write(rendered: Rendered, folder: Path) -> Path:
    """The release as it lies on a host."""
    folder.mkdir(exist_ok=True)
    for name, content in rendered.files.items():
        data = content.encode() if isinstance(content, str) else content
        (folder / name).write_bytes(data)
    return folder
