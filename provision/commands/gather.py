"""How a host is asked for all its facts: one program on standard input, one JSON answer."""

from __future__ import annotations

import functools
from importlib import resources

from provision.commands.command import Command


def gather(*, thorough: bool = False) -> Command:
    """Ask for everything in one round trip; *thorough* adds what only ``fab doctor`` looks at.

    The program needs Python 3.9 and nothing else, so it also runs on a host that was never set up.
    """
    words = ("python3", "-", *(("thorough",) if thorough else ()))
    return Command(words, stdin=_source(), timeout_s=60 if thorough else 30)


@functools.cache
def _source() -> str:
    return resources.files("provision").joinpath("agent", "gather.py").read_text("utf-8")
