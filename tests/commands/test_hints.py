"""What failed commands say, and what people should do then."""

from __future__ import annotations

import pytest

from provision.commands.hints import hint, sudo_refused


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("tar: start_vllm.sh: Cannot write: No space left on device", "free disk space"),
        ("tar: blob: Wrote only 2560 of 10240 bytes", "free disk space"),
        (
            "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 1234",
            "another package manager",
        ),
        (
            "E: Failed to fetch http://repo/InRelease  Could not connect to repo:80",
            "network.egress",
        ),
        ("curl: (6) Could not resolve host: nvidia.github.io", "network.egress"),
        ("E: The repository 'http://repo / Release' is not signed.", "toolkit.deb_key_url"),
        (
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock.",
            "systemctl start docker",
        ),
        ("sh: 1: python3: not found", "install Python"),
        ("something nobody has seen", ""),
    ],
)
def test_the_next_step(said: str, advice: str) -> None:
    """Each known message has its advice; an unknown one has none."""
    assert advice in hint(said)
    assert bool(hint(said)) == bool(advice)


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        ("sudo: a password is required", True),
        ("sudo: a terminal is required to read the password", True),
        ("fleet is not in the sudoers file.  This incident will be reported.", True),
        ("Sorry, user fleet is not allowed to execute '/bin/sh' as root on gpu-1.", True),
        ("bash: line 1: sudo: command not found", True),
        ("sudo: nvidia-ctk: command not found", False),
        ("permission denied", False),
    ],
)
def test_sudo_is_told_apart_from_the_command(said: str, refused: bool) -> None:
    """A command that is missing under sudo is not sudo's refusal."""
    assert sudo_refused(said) is refused
