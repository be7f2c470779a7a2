"""Which environment a task works on: the flag, the process environment, Pulumi's own choice."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from provision.config import load
from provision.config.environment import Environment


@dataclass(frozen=True, slots=True)
class Choice:
    """An environment by name, why that one, and where it is described."""

    name: str
    source: str
    folder: Path
    standing: Path

    def file(self) -> Path:
        """The environment's file. Raises ConfigError when there is none."""
        return load.environment_file(self.name, folder=self.folder, standing=self.standing)

    def load(self) -> Environment:
        """The environment itself. Raises ConfigError with all problems of its file."""
        return load.load(self.name, folder=self.folder, standing=self.standing)


def choose(flag: str | None) -> Choice:
    """Choose as :func:`provision.config.load.select` does, for the project around this folder."""
    folder, home = load.project_folder(Path.cwd()), Path.home()
    selection = load.select(flag, environ=os.environ, folder=folder, home=home)
    return Choice(selection.name, selection.source, folder, load.standing_rehearsal(home))
