"""The host program as one file: a zip that ``python3`` runs."""

from __future__ import annotations

import io
import zipfile
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
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in sorted(_members(agent).items()):
            archive.writestr(_entry(name), content)
    return buffer.getvalue()


def _members(agent: Path) -> dict[str, bytes]:
    sources = {
        f"provision/agent/{path.relative_to(agent).as_posix()}": path.read_bytes()
        for path in agent.rglob("*.py")
    }
    return {"__main__.py": _MAIN.encode(), "provision/__init__.py": b"", **sources}


def _entry(name: str) -> zipfile.ZipInfo:
    # Stored, not deflated: compressors differ between machines, and the sources are small.
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.create_system = _UNIX
    entry.external_attr = _REGULAR_FILE
    return entry
