"""What this machine knows a process by, so that its end can be told from its silence (Linux).

A number alone is not enough: it is given again after the process has ended, and means another one
in a container.
"""

from __future__ import annotations

import os
from pathlib import Path

_PROC = Path("/proc")


def mine() -> str:
    """This process: boot, namespace of processes, number, start; "" where that is unknown."""
    return _name(os.getpid()) or ""


def is_gone(name: str) -> bool:
    """Whether the process that :func:`mine` named *name* is known to have ended.

    False for one of another machine, another boot or another container: nobody knows.
    """
    here, _, rest = name.rpartition("/")[0].rpartition("/")
    if not name or not rest.isdecimal() or here != _here():
        return False
    return _name(int(rest)) != name


def _name(number: int) -> str | None:
    here = _here()
    try:
        stat = (_PROC / str(number) / "stat").read_text()
    except OSError:
        return None
    # The second field is the program's name in parentheses, which may hold anything.
    state, *fields = stat.rpartition(")")[2].split()
    if not here or state in "ZX":  # ended, and nobody has asked for its exit code yet
        return None
    return f"{here}/{number}/{fields[18]}"


def _here() -> str:
    """This boot of this machine, and this namespace of processes; "" where that is unknown."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}:{(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return ""
