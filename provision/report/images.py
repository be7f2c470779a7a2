"""What ``fab config.refresh-ami`` says."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from provision.connectors.ami import Image, Refresh


def document(refresh: Refresh, *, written: bool) -> dict[str, Any]:
    """The ``--json`` document."""
    return {
        "ok": True,
        "old": asdict(refresh.old) if refresh.old else None,
        "pinned": refresh.pinned,
        "new": asdict(refresh.new),
        "written": written,
    }


def text(refresh: Refresh) -> str:
    """Old and new, name and date."""
    old = _line(refresh.old) if refresh.old else _unknown(refresh.pinned)
    return f"  old  {old}\n  new  {_line(refresh.new)}"


def _line(image: Image) -> str:
    return f"{image.id}  {image.created[:10] or 'unknown date'}  {image.name or 'unknown name'}"


def _unknown(pinned: str | None) -> str:
    return f"{pinned}  (AWS does not know it here)" if pinned else "not pinned"
