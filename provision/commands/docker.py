"""How Docker is started, restarted, and given compose."""

from __future__ import annotations

from provision.commands.command import Command, script

COMPOSE_VERSION = "v2.40.3"
_COMPOSE = f"https://github.com/docker/compose/releases/download/{COMPOSE_VERSION}"

_COMPOSE_PLUGIN = """\
folder=/usr/local/lib/docker/cli-plugins
mkdir -p "$folder"
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT
for file in docker-compose-linux-x86_64 docker-compose-linux-x86_64.sha256; do
    curl -fsSL --retry 3 --connect-timeout 10 -O "$1/$file"
done
sha256sum --quiet -c docker-compose-linux-x86_64.sha256
install -m 0755 docker-compose-linux-x86_64 "$folder/docker-compose"
"""


def enable() -> Command:
    """Start the daemon now and at every boot."""
    return Command(("systemctl", "enable", "--now", "docker"), timeout_s=120)


def restart() -> Command:
    """Start the daemon anew: it reads its runtimes and GPU drivers only then."""
    return Command(("systemctl", "restart", "docker"), timeout_s=120)


def install_compose_plugin() -> Command:
    """Fetch compose from Docker's releases where no package has it (Amazon Linux)."""
    return script(_COMPOSE_PLUGIN, _COMPOSE, timeout_s=300)
