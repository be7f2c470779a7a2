"""How packages are installed on Ubuntu and Debian."""

from __future__ import annotations

from provision.commands.command import Command, script

# os id, version -> what Docker, compose and boto3 are called there.
PACKAGES = {
    ("ubuntu", "22.04"): ("docker.io", "docker-compose-v2", "python3-boto3"),
    ("ubuntu", "24.04"): ("docker.io", "docker-compose-v2", "python3-boto3"),
    ("debian", "12"): ("docker.io", "docker-compose", "python3-boto3"),
}
# The first boot of a cloud image runs its own apt; needrestart would restart Docker unasked.
_WAIT_FOR_LOCK = "-o DPkg::Lock::Timeout=300"
_QUIET = "export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1"
_PACKAGES_S = 900.0

_INSTALL = f"""\
{_QUIET}
apt-get {_WAIT_FOR_LOCK} -qq update
apt-get {_WAIT_FOR_LOCK} -qq -y --no-install-recommends install "$@"
"""

# apt takes an armoured key (.asc) and a binary one (.gpg), so that gnupg is not needed. It only
# reads the new list, so that other repositories that are down don't stand in the way.
_INSTALL_FROM = f"""\
{_QUIET}
name=$1 url=$2 key_url=$3
shift 3
command -v curl >/dev/null || apt-get {_WAIT_FOR_LOCK} -qq -y install ca-certificates curl
mkdir -p /etc/apt/keyrings
new=$(mktemp)
trap 'rm -f "$new"' EXIT
curl -fsSL --retry 3 --connect-timeout 10 -o "$new" "$key_url"
if grep -q 'BEGIN PGP' "$new"; then suffix=asc; else suffix=gpg; fi
rm -f "/etc/apt/keyrings/$name.asc" "/etc/apt/keyrings/$name.gpg"
install -m 0644 "$new" "/etc/apt/keyrings/$name.$suffix"
list=/etc/apt/sources.list.d/$name.list
echo "deb [signed-by=/etc/apt/keyrings/$name.$suffix] $url /" >"$list"
apt-get {_WAIT_FOR_LOCK} -qq -o APT::Update::Error-Mode=any -o Dir::Etc::SourceList="$list" \\
    -o Dir::Etc::SourceParts=- -o APT::Get::List-Cleanup=0 update
apt-get {_WAIT_FOR_LOCK} -qq -y --no-install-recommends install "$@"
"""


def install(*packages: str) -> Command:
    """Install *packages* from the repositories that the host knows."""
    return script(_INSTALL, *packages, timeout_s=_PACKAGES_S)


def install_from(name: str, url: str, key_url: str, *packages: str) -> Command:
    """Add the repository at *url* as *name*, trusted for the key at *key_url* and nothing else,
    and install *packages*. Said twice it is there once."""
    return script(_INSTALL_FROM, name, url, key_url, *packages, timeout_s=_PACKAGES_S)
