"""The systemd units of a host."""

from __future__ import annotations

from provision.render.places import HOST_PROGRAM
from provision.render.templates import render

BOOT = "llm-fleet-boot.service"
AGENT = "llm-fleet-agent.service"


def units() -> dict[str, str]:
    """File name -> content, for ``/etc/systemd/system``."""
    return {name: render(name, host_program=HOST_PROGRAM) for name in (BOOT, AGENT)}
