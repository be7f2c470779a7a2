"""The folder that the rehearsal's hub serves: the tiny model under the wanted model's name."""

from __future__ import annotations

import shutil
from pathlib import Path

from provision.catalog.model import Model

PINNED = ".revision"  # the hub answers to this commit too


def fill(folder: Path, model: Model, tiny: Path) -> Path:
    """Put the files of *tiny* where *model*'s repository belongs, pinned to its revision."""
    place = folder / model.repository
    shutil.rmtree(folder, ignore_errors=True)
    place.parent.mkdir(parents=True)
    shutil.copytree(tiny, place)
    if model.revision:
        (place / PINNED).write_text(model.revision + "\n")
    return folder
