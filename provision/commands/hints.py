"""What to do next, from what a failed command said."""

from __future__ import annotations

import re

_SUDO = re.compile(
    r"sudo: .*(a password is required|a terminal is required|must have a tty)"
    r"|is not in the sudoers file|is not allowed to (run sudo|execute)|[Ss]orry, user "
    r"|sudo: (command )?not found"
)

_HINTS = (
    (
        # tar says the second when some of a block still fitted.
        r"[Nn]o space left on device|Wrote only \d+ of \d+ bytes",
        "free disk space on the host: `df -h`",
    ),
    (
        r"Could not get lock|is another process using it|lock-frontend",
        "another package manager runs on the host (unattended upgrades, at first boot): wait and"
        " run the task again",
    ),
    (
        r"Could not resolve|Temporary failure resolving|Failed to fetch|Unable to connect|"
        r"Could not connect|Failed to connect|Connection timed out|Cannot download|"
        r"Failed to download metadata",
        "the package repository can't be reached from the host: check network.egress (a NAT"
        " gateway is needed for public repositories) and the toolkit section of the environment",
    ),
    (
        r"is not signed|NO_PUBKEY|EXPKEYSIG|BADSIG",
        "the repository is not signed by the key of toolkit.deb_key_url: check both settings",
    ),
    (
        r"Cannot connect to the Docker daemon|docker daemon is not running",
        "start Docker on the host: `systemctl start docker`, and read `journalctl -u docker`",
    ),
    (r"python3: (command )?not found", "install Python 3.9 or newer on the host"),
)


def sudo_refused(stderr: str) -> bool:
    """Whether it was sudo that said no, not the command."""
    return bool(_SUDO.search(stderr))


def hint(stderr: str) -> str:
    """The next thing to do, "" when the text is none that we know."""
    return next((advice for pattern, advice in _HINTS if re.search(pattern, stderr)), "")
