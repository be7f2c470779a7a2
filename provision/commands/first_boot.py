"""Setting a host up without an operator: what `fab setup` does, as one script for its boots.

A host that the Auto Scaling group launches at night must come up on a bare image too.
"""

from __future__ import annotations

from provision.commands import apt, dnf, docker, toolkit
from provision.commands.command import Command
from provision.config.environment import ToolkitSettings

REPOSITORY = "llm-fleet-nvidia"

_SCRIPT = """\
#!/bin/sh
# Installs what this image lacks to run containers with GPUs; a Deep Learning AMI lacks nothing.
# The host program runs it before it applies a release at boot, when no engine runs yet.
set -eu
# shellcheck source=/dev/null
. /etc/os-release

has() {
    command -v "$1" >/dev/null
}

has_compose() {
    docker compose version >/dev/null 2>&1 || has docker-compose
}

install_docker() {
    case "$ID-$VERSION_ID" in
%(docker)s
    *)
        echo "don't know how to install Docker on $ID $VERSION_ID" >&2
        exit 1
        ;;
    esac
    %(enable)s
}

install_toolkit() {
    if [ "$ID" = amzn ]; then
        %(rpm)s
    else
        %(deb)s
    fi
}

if ! has docker || ! has_compose; then install_docker; fi
if ! has nvidia-ctk; then install_toolkit; fi
if ! grep -qs '"nvidia"' /etc/docker/daemon.json; then
    %(configure)s
    %(restart)s
fi
"""


def set_up_script(settings: ToolkitSettings) -> str:
    """A POSIX shell script that may run at every boot: where nothing lacks, it changes nothing."""
    deb = (settings.deb_repository, settings.deb_key_url, toolkit.PACKAGE)
    rpm = (settings.rpm_repository_file, toolkit.PACKAGE)
    arms = [
        _arm(f"{system}-{version}", apt.install(*packages[:2]))
        for (system, version), packages in apt.PACKAGES.items()
    ]
    arms.append(_arm("amzn-2023", dnf.install("docker"), docker.install_compose_plugin()))
    return _SCRIPT % {
        "docker": "\n".join(arms),
        "enable": docker.enable().shell(),
        "rpm": dnf.install_from(REPOSITORY, *rpm).shell(),
        "deb": apt.install_from(REPOSITORY, *deb).shell(),
        "configure": toolkit.configure_docker().shell(),
        "restart": docker.restart().shell(),
    }


def _arm(pattern: str, *commands: Command) -> str:
    lines = [f"        {command.shell()}" for command in commands]
    return "\n".join([f"    {pattern})", *lines, "        ;;"])
