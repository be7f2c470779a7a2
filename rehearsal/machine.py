"""What the machine itself must have before a rehearsal: Debian packages, root, room.

``python -m rehearsal.machine`` installs what is missing, and what further lists name that are given
as arguments; ``fab rehearse`` only checks.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from provision.errors import EXIT_DONE, Refused

PACKAGES = Path(__file__).with_name("machine_packages.txt")
FREE_GIB = 8


def packages(*lists: Path) -> tuple[str, ...]:
    """Debian packages that a rehearsal needs, and those of further *lists*: one a line."""
    text = "\n".join(path.read_text() for path in (PACKAGES, *lists))
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    return tuple(line for line in lines if line)


def missing(*lists: Path) -> tuple[str, ...]:
    """Those that dpkg does not call installed. Raises Refused where there is no dpkg."""
    wanted = packages(*lists)
    if shutil.which("dpkg-query") is None:
        raise Refused(
            "a rehearsal needs Debian's packages, and this system has no dpkg",
            hint="run it on Debian 12, in a virtual machine if need be",
        )
    asked = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *wanted],
        capture_output=True,
        text=True,
    )
    # Packages that dpkg has only heard of are "not-installed".
    states = dict(line.split() for line in asked.stdout.splitlines())
    return tuple(name for name in wanted if states.get(name) != "installed")


def install(say: Callable[[str], None], *lists: Path) -> None:
    """Install the missing packages with apt, without starting their services. Raises Refused."""
    names = missing(*lists)
    if not names:
        return
    _need_root()
    say(f"installing Debian packages: {' '.join(names)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *names],
    ):
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if done.returncode:
            raise Refused(
                f"{' '.join(command[:2])} failed:\n{(done.stderr or done.stdout)[-1500:]}",
                hint="run it by hand and see what apt says",
            )


def check() -> None:
    """Refuse with the reason when a rehearsal can't run here."""
    _need_root()
    if names := missing():
        raise Refused(
            f"missing Debian packages: {' '.join(names)}",
            hint="run `make rehearsal-setup`",
        )
    free = shutil.disk_usage(Path.home()).free / 2**30
    if free < FREE_GIB:
        raise Refused(
            f"{free:.1f} GiB free under {Path.home()}, a rehearsal wants {FREE_GIB}",
            hint="free some space",
        )


def _need_root() -> None:
    if os.geteuid() != 0:
        raise Refused(
            "a rehearsal builds network namespaces and mounts, so it needs root",
            hint="run it as root on a machine (or virtual machine) that is yours",
        )


def main(lists: Sequence[str] = ()) -> int:
    """Install what is missing, that of further *lists* too; the exit code."""
    try:
        install(lambda line: print(line, file=sys.stderr, flush=True), *map(Path, lists))
    except Refused as refused:
        print(f"error: {refused}", file=sys.stderr)
        return refused.exit_code
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
