"""The files of a model, as its manifest lists them, and which of them are right in a folder.

A file is hashed once; afterwards its size and modification time are compared (``.verified.json``).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping

from provision.agent.errors import AgentError
from provision.agent.manifest import sha256_of
from provision.agent.system import read_json, write_json

MANIFEST = "manifest.json"
VERIFIED = ".verified.json"


@dataclass(frozen=True)
class WeightFile:
    """One file of a model."""

    path: str
    sha256: str
    size: int


def parse(document: Mapping[str, Any]) -> List[WeightFile]:
    """The files of a weights manifest. Raises AgentError; no path may leave the folder."""
    try:
        files = [
            WeightFile(path, str(entry["sha256"]), int(entry["size"]))
            for path, entry in sorted(document["files"].items())
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AgentError(f"the weights' manifest is not as expected: {error!r}") from None
    for file in files:
        if file.path.startswith("/") or ".." in Path(file.path).parts:
            raise AgentError(f"the weights' manifest names a path outside: {file.path}")
    return files


def bad_files(folder: Path, files: Iterable[WeightFile]) -> List[WeightFile]:
    """The files of *folder* that are missing, truncated or different."""
    marks = _marks(folder)
    bad = [file for file in files if not _good(folder, file, marks)]
    _write(folder, marks)
    return bad


def mark(folder: Path, files: Iterable[WeightFile]) -> None:
    """Note that *files*, whose hashes the caller has just seen, are right as they are now."""
    marks = _marks(folder)
    for file in files:
        marks[file.path] = _mark(folder / file.path, file)
    _write(folder, marks)


def size_of(path: Path) -> int:
    """Bytes of a file, 0 when it is not there."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _good(folder: Path, file: WeightFile, marks: Dict[str, List[Any]]) -> bool:
    path = folder / file.path
    if not path.is_file() or size_of(path) != file.size:
        return False
    now = _mark(path, file)
    if marks.get(file.path) == now:
        return True
    if sha256_of(path) != file.sha256:
        return False
    marks[file.path] = now
    return True


def _mark(path: Path, file: WeightFile) -> List[Any]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns, file.sha256]


def _marks(folder: Path) -> Dict[str, List[Any]]:
    try:
        return dict(read_json(folder / VERIFIED))
    except (AgentError, TypeError, ValueError):
        return {}


def _write(folder: Path, marks: Dict[str, List[Any]]) -> None:
    with suppress(OSError):  # only an aid: without it everything is hashed again
        write_json(folder / VERIFIED, marks)
