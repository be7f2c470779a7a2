"""A project folder of a test's own: the rehearsal's environment with settings for quick tests."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from provision.config.dump import dump
from provision.config.environment import Environment
from provision.config.load import REHEARSAL, load

ROOT = Path(__file__).resolve().parents[2]

Change = Callable[[Environment], Environment]


def make(folder: Path, change: Change) -> Path:
    """A folder in which `fab rehearse` rehearses the project's own environment with a *change*."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("fabfile.py", "Pulumi.yaml"):
        shutil.copy(ROOT / name, folder / name)
    environment = load(REHEARSAL, folder=ROOT)
    stand_in = str(ROOT / environment.access.aws_command)
    access = replace(environment.access, aws_command=stand_in)
    changed = change(replace(environment, access=access))
    (folder / f"Pulumi.{REHEARSAL}.yaml").write_text(dump(changed))
    return folder


def quick(environment: Environment) -> Environment:
    """Short answers, and an agent that is as impatient as a file may ask of it."""
    health = replace(
        environment.health,
        ready_timeout_s=60,
        warmup_max_ttft_s=3.0,
        canary_interval_s=1.0,
        canary_deadline_s=2.0,
        canary_misses=2,
    )
    engine = replace(environment.engine, longest_generation_s=5)
    return replace(environment, engine=engine, health=health)
