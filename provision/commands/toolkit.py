"""How the NVIDIA Container Toolkit is told about Docker."""

from __future__ import annotations

from provision.commands.command import Command

PACKAGE = "nvidia-container-toolkit"


def configure_docker() -> Command:
    """Add the ``nvidia`` runtime to /etc/docker/daemon.json; other settings there stay."""
    return Command(("nvidia-ctk", "runtime", "configure", "--runtime=docker"))
