"""The host program as one file: a zip that ``python3`` runs."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import provision

AGENT = Path(provision.__file__).resolve().parent / "agent"

_MAIN = """\
import runpy

runpy.run_module("provision.agent", run_name="__main__", alter_sys=True)
"""
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can say
_REGULAR_FILE = 0o100644 << 16
_UNIX = 3


def host_bundle(agent: Path = AGENT) -> bytes:
    """``host.pyz``: the sources below *agent*, and nothing else of llm-fleet.

    The same sources give the same bytes on every machine, so releases and bootstrap keys may be
    named by its digest. ``python3 host.pyz`` runs ``provision/agent/__main__.py``.
    """
    return archive({"__main__.py": _MAIN.encode(), **sources("agent", agent)})


def archive(members: Mapping[str, bytes]) -> bytes:
    """A zip of *members*, the same on every machine."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        for name, content in sorted(members.items()):
            zipped.writestr(_entry(name), content)
    return buffer.getvalue()


def sources(program: str, folder: Path) -> dict[str, bytes]:
    """The sources of a program that runs elsewhere, under the names by which it imports itself."""
    found = {
        f"provision/{program}/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for path in folder.rglob("*.py")
    }
    return {"provision/__init__.py": b"", **found}


def _entry(name: str) -> zipfile.ZipInfo:
    # Stored, not deflated: compressors differ between machines, and the sources are small.
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.create_system = _UNIX
    entry.external_attr = _REGULAR_FILE
    return entry
