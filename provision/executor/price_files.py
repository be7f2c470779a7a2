"""Writes a project's price files: each whole or not at all, and the ones before are kept."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from provision.catalog.prices import rows
from provision.catalog.prices.book import PriceBook
from provision.errors import FleetError

PREVIOUS = "previous"


@dataclass(frozen=True, slots=True)
class Written:
    """The files that were written, and where those before them are (None: there were none)."""

    files: tuple[Path, ...]
    previous: Path | None


def write(folder: Path, book: PriceBook) -> Written:
    """Make *folder* hold *book*; what was there before goes to ``previous/``.

    Raises FleetError when the disk refuses; a file is then either the old or the new one, whole.
    """
    contents = rows.files(book)
    try:
        folder.mkdir(exist_ok=True)
        previous = _keep(folder, contents)
        for name, text in contents.items():
            _replace(folder / name, text.encode())
    except OSError as error:
        raise FleetError(
            f"{folder}: can't be written: {error}", hint="mend that and run the same command again"
        ) from error
    return Written(tuple(folder / name for name in contents), previous)


def _keep(folder: Path, contents: Mapping[str, str]) -> Path | None:
    """Copies of the files that are about to be replaced."""
    old = {name: folder / name for name in contents if (folder / name).exists()}
    if not old:
        return None
    previous = folder / PREVIOUS
    previous.mkdir(exist_ok=True)
    for name, path in old.items():
        _replace(previous / name, path.read_bytes())
    return previous


def _replace(path: Path, content: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)
