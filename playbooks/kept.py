"""What `fab benchmark` measured, beside the environment's file: a copy of what its bucket keeps, so
that a cost can be computed without asking AWS."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from provision.config.load import rewrite
from provision.errors import UsageError

if TYPE_CHECKING:
    from provision.connectors.protocols import Cloud
    from provision.planning.benchmark import Benchmark

FOLDER = "benchmarks"  # here, with the environment's name below it, and in the bucket


def read(folder: Path, environment: str, models: Iterable[str]) -> dict[str, tuple[Benchmark, ...]]:
    """Benchmarks of a model, under any of its names, by instance type.

    Raises UsageError for a file that is none of ours.
    """
    found: dict[str, tuple[Benchmark, ...]] = {}
    for model in models:
        for path in sorted((folder / FOLDER / environment / model).glob("*/*.json")):
            name = path.parent.name
            found[name] = (*found.get(name, ()), *_parse(path))
    return found


def place(folder: Path, environment: str, key: str) -> Path:
    """Where the bucket's object *key* is kept."""
    return folder / FOLDER / environment / key.removeprefix(f"{FOLDER}/")


def write(folder: Path, environment: str, key: str, data: bytes) -> Path:
    """Keep the bucket's object *key* beside the environment's file; says where."""
    path = place(folder, environment, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    rewrite(path, data.decode())
    return path


def fetch(folder: Path, environment: str, cloud: Cloud) -> int:
    """Copy all benchmarks of the environment's bucket; says how many. Raises CloudError."""
    keys = [key for key in cloud.list_objects(f"{FOLDER}/") if key.endswith(".json")]
    for key in keys:
        data = cloud.get_object(key)
        if data is not None:
            write(folder, environment, key, data)
    return len(keys)


def _parse(path: Path) -> tuple[Benchmark, ...]:
    from provision.errors import FleetError
    from provision.planning.benchmark import from_json

    try:
        return from_json(path.read_bytes())
    except FleetError as error:
        raise UsageError(f"{path}: {error.message}", hint=error.hint) from error
