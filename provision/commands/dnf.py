"""How packages are installed on Amazon Linux 2023."""

from __future__ import annotations

from provision.commands.command import Command, script

_PACKAGES_S = 900.0

_INSTALL_FROM = """\
name=$1 url=$2
shift 2
new=$(mktemp)
trap 'rm -f "$new"' EXIT
curl -fsSL --retry 3 --connect-timeout 10 -o "$new" "$url"
install -m 0644 "$new" "/etc/yum.repos.d/$name.repo"
dnf -q -y install "$@"
"""


def install(*packages: str) -> Command:
    """Install *packages* from the repositories that the host knows."""
    return Command(("dnf", "-q", "-y", "install", *packages), timeout_s=_PACKAGES_S)


def install_from(name: str, url: str, *packages: str) -> Command:
    """Add the repository file at *url* as *name* and install *packages*. The file names the key."""
    return script(_INSTALL_FROM, name, url, *packages, timeout_s=_PACKAGES_S)
