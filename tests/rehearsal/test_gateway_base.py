"""The image that a rehearsal's gateway is built on has what the Dockerfile calls."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from provision.config.load import REHEARSAL, load
from provision.render.gateway_image import LOCK, dockerfile
from rehearsal.images import GATEWAY_BASE, gateway_base
from rehearsal.settings import HUB_NAME
from tests.infra.scenes import ROOT


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """What is in the image, by place."""
    return gateway_base().data


def test_it_is_the_one_that_the_environment_names() -> None:
    """Hosts pull it from the room's registry."""
    repository, tag = GATEWAY_BASE
    image = load(REHEARSAL, folder=ROOT).fallback.image
    assert image == f"{HUB_NAME}/{repository}:{tag}"
    assert dockerfile(image).splitlines()[1] == f"FROM {image}"


def test_every_program_of_the_dockerfile_is_there(files: dict[str, bytes]) -> None:
    """In one RUN: pip, useradd and install."""
    (run,) = dockerfile("base:1").replace("\\\n", "").split("RUN ")[1:]
    words = [part.split()[0] for part in run.splitlines()[0].split("&&")]
    assert words == ["pip", "useradd", "install"]
    assert {"/usr/local/bin/pip", "/usr/local/sbin/useradd", "/usr/bin/install"} <= files.keys()


@pytest.mark.parametrize(("text", "code"), [(LOCK.read_text(), 0), ("litellm==1.0\n", 1)])
def test_pip_takes_the_lock_of_this_machine_only(
    files: dict[str, bytes], tmp_path: Path, text: str, code: int
) -> None:
    """What tasks would run otherwise has other packages than what was asked for."""
    program, lock = tmp_path / "pip", tmp_path / LOCK.name
    program.write_bytes(files["/usr/local/bin/pip"])
    lock.write_text(text)
    words = ["install", "--no-cache-dir", "--require-hashes", "--only-binary", ":all:", "-r"]
    done = subprocess.run(["sh", program, *words, lock], capture_output=True, text=True)
    assert done.returncode == code
    assert (f"{lock} is not what this rehearsal has installed" in done.stderr) is bool(code)
