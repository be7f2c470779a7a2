"""The set-up script of a boot, run with stand-ins for the programs that it calls."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from provision.commands.first_boot import set_up_script
from provision.config.environment import ToolkitSettings

SETTINGS = ToolkitSettings(deb_repository="http://mirror/deb", deb_key_url="http://mirror/key.gpg")


class Image:
    """An image with some programs, each of which only notes that it was called."""

    def __init__(self, folder: Path, system: str, version: str) -> None:
        self.etc, self.bin, self.calls = folder / "etc", folder / "bin", folder / "calls"
        for path in (self.etc / "docker", self.etc / "apt/sources.list.d", self.bin):
            path.mkdir(parents=True)
        (self.etc / "os-release").write_text(f"ID={system}\nVERSION_ID={version}\n")
        for name in ("grep", "mktemp", "mkdir", "rm", "cat"):
            (self.bin / name).symlink_to(f"/usr/bin/{name}")
        self.has("apt-get", "dnf", "curl", "install", "systemctl", "sha256sum")

    def has(self, *names: str) -> None:
        for name in names:
            program = self.bin / name
            program.write_text(f'#!/bin/sh\necho "{name} $*" >>{self.calls}\n')
            program.chmod(0o755)

    def knows_nvidia(self) -> None:
        (self.etc / "docker/daemon.json").write_text('{"runtimes": {"nvidia": {}}}')

    def boot(self) -> subprocess.CompletedProcess[str]:
        text = set_up_script(SETTINGS).replace("/etc/", f"{self.etc}/")
        text = text.replace("/usr/local/lib/", f"{self.etc}/lib/")
        return subprocess.run(
            ["/bin/sh"], input=text, text=True, capture_output=True, env={"PATH": str(self.bin)}
        )

    def called(self, name: str) -> list[str]:
        lines = self.calls.read_text().splitlines() if self.calls.exists() else []
        return [line for line in lines if line.split()[0] == name]


def test_an_image_that_lacks_nothing_is_left_alone(tmp_path: Path) -> None:
    """No package manager, no restart of Docker: engines may be about to start."""
    image = Image(tmp_path, "ubuntu", "24.04")
    image.has("docker", "nvidia-ctk")
    image.knows_nvidia()

    assert image.boot().returncode == 0
    assert {line.split()[0] for line in image.calls.read_text().splitlines()} == {"docker"}


@pytest.mark.parametrize(
    ("system", "version", "packages"),
    [
        ("ubuntu", "22.04", "docker.io docker-compose-v2"),
        ("debian", "12", "docker.io docker-compose"),
    ],
)
def test_a_bare_image_gets_docker_and_toolkit(
    tmp_path: Path, system: str, version: str, packages: str
) -> None:
    """Docker and compose from the system's packages, the toolkit from the repository that is set;
    then Docker learns of the runtime."""
    image = Image(tmp_path, system, version)
    (image.bin / "sh").symlink_to("/bin/sh")
    image.has("nvidia-ctk")
    (image.bin / "nvidia-ctk").rename(tmp_path / "packaged")
    (image.bin / "apt-get").write_text(
        f'#!/bin/sh\necho "apt-get $*" >>{image.calls}\n'
        'case "$*" in *nvidia-container-toolkit)'
        f" /bin/mv {tmp_path}/packaged {image.bin}/nvidia-ctk ;; esac\n"
    )

    done = image.boot()

    assert done.returncode == 0, done.stderr
    installed = [line for line in image.called("apt-get") if line.endswith(packages)]
    assert len(installed) == 1
    assert image.called("curl")[-1].endswith("http://mirror/key.gpg")
    assert image.called("nvidia-ctk") == ["nvidia-ctk runtime configure --runtime=docker"]
    assert image.called("systemctl") == [
        "systemctl enable --now docker",
        "systemctl restart docker",
    ]


def test_amazon_linux_gets_compose_from_docker_itself(tmp_path: Path) -> None:
    """It has no package of it."""
    image = Image(tmp_path, "amzn", "2023")
    (image.bin / "sh").symlink_to("/bin/sh")
    image.has("nvidia-ctk")
    image.knows_nvidia()

    done = image.boot()

    assert done.returncode == 0, done.stderr
    assert image.called("dnf") == ["dnf -q -y install docker"]
    assert any("docker-compose-linux-x86_64" in line for line in image.called("curl"))


def test_an_unknown_system_is_named(tmp_path: Path) -> None:
    """And nothing is tried on it."""
    done = Image(tmp_path, "arch", "rolling").boot()

    assert done.returncode == 1
    assert done.stderr == "don't know how to install Docker on arch rolling\n"
