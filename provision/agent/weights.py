"""A model's files on the cache volume: complete, and byte for byte what the manifest says.

``manifest.json`` beside the files is written last: where it is, the model was once complete. A file
is hashed once; afterwards its size and modification time are compared (``.verified.json``).
"""

from __future__ import annotations

import errno
import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Callable, Dict, Iterable, List, Mapping, Optional

from provision.agent.cloud import Cloud
from provision.agent.errors import AgentError, CloudUnreachable
from provision.agent.manifest import sha256_of
from provision.agent.system import read_json, write_json

MANIFEST = "manifest.json"
VERIFIED = ".verified.json"
_BLOCK = 1 << 22
_PARALLEL = 8
_ATTEMPTS = 3

Progress = Callable[[int, int], None]
"""``progress(done_bytes, total_bytes)``"""

Write = Callable[[BinaryIO, bytes], object]


def write_block(out: BinaryIO, block: bytes) -> object:
    """Write one block to an open file."""
    return out.write(block)


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
    with suppress(OSError):
        write_json(folder / VERIFIED, marks)
    return bad


def ensure(
    cloud: Cloud, folder: Path, prefix: str, *, progress: Progress, write: Write = write_block
) -> int:
    """Make *folder* hold the model under *prefix* of the bucket; bytes that had to be fetched.

    Raises AgentError when the model is not in the bucket, the disk is full, or a file stays wrong.
    A file gets its name only when it is whole and right.
    """
    document = _manifest(cloud, folder, prefix)
    missing = bad_files(folder, parse(document))
    total = sum(file.size for file in missing)
    if missing:
        (folder / MANIFEST).unlink(missing_ok=True)
        check_space(folder, missing)
        _Download(cloud, folder, prefix, total=total, progress=progress, write=write).all(missing)
    if missing or not (folder / MANIFEST).is_file():
        write_json(folder / MANIFEST, document)
    return total


def check_space(folder: Path, files: Iterable[WeightFile]) -> None:
    """Raise AgentError when *files* would not fit beside what is in *folder* already."""
    folder.mkdir(parents=True, exist_ok=True)
    needed = sum(max(0, file.size - _size(partial(folder, file))) for file in files)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise disk_full(folder, f"needs {_gib(needed)} more, has {_gib(free)}")


def disk_full(folder: Path, detail: str) -> AgentError:
    """The error for a cache without room."""
    return AgentError(
        f"no room for the weights on {folder}: {detail}",
        hint="raise model_cache.size_gib, or remove models that nobody serves from the cache",
    )


def partial(folder: Path, file: WeightFile) -> Path:
    """Where a file stands while it is not whole."""
    return folder / f"{file.path}.partial"


def accept(folder: Path, file: WeightFile) -> bool:
    """Give a whole and right partial file its name; throw a wrong one away and say False."""
    path = partial(folder, file)
    if _size(path) != file.size or sha256_of(path) != file.sha256:
        path.unlink(missing_ok=True)
        return False
    path.replace(folder / file.path)
    return True


class _Download:
    def __init__(
        self,
        cloud: Cloud,
        folder: Path,
        prefix: str,
        *,
        total: int,
        progress: Progress,
        write: Write,
    ) -> None:
        self._cloud, self._folder, self._prefix = cloud, folder, prefix
        self._total, self._progress, self._write = total, progress, write
        self._done: Dict[str, int] = {}
        self._ended = threading.Event()

    def all(self, files: List[WeightFile]) -> None:
        with ThreadPoolExecutor(_PARALLEL) as pool:
            futures = [pool.submit(self._file, file) for file in files]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                self._ended.set()
                for future in futures:
                    future.cancel()
                raise
        if bad_files(self._folder, files):
            raise AgentError(f"the weights in {self._folder} changed while they were fetched")

    def _file(self, file: WeightFile) -> None:
        problem = "it is not what the manifest says"
        for _ in range(_ATTEMPTS):
            try:
                self._fetch(file)
            except OSError as error:
                if error.errno == errno.ENOSPC:
                    partial(self._folder, file).unlink(missing_ok=True)
                    raise disk_full(self._folder, f"while writing {file.path}") from None
                problem = str(error)
                continue
            if accept(self._folder, file):
                return
        raise AgentError(
            f"can't get {self._prefix}/{file.path} from the bucket: {problem}",
            hint="seed the weights again: `fab deploy` does when the bucket's copy is damaged",
        )

    def _fetch(self, file: WeightFile) -> None:
        path = partial(self._folder, file)
        path.parent.mkdir(parents=True, exist_ok=True)
        have = _size(path)
        if have >= file.size:
            path.unlink(missing_ok=True)
            have = 0
        if file.size == 0:
            path.touch()
            return
        body = self._cloud.open_object(f"{self._prefix}/{file.path}", start=have)
        with path.open("ab") as out:
            while not self._ended.is_set():
                block = _read(body, file.path)
                if not block:
                    return
                self._write(out, block)
                self._count(file, out.tell())

    def _count(self, file: WeightFile, done: int) -> None:
        self._done[file.path] = done
        self._progress(sum(self._done.values()), self._total)


def _read(body: Any, path: str) -> bytes:
    """Read a block; botocore's own errors of a cut stream become OSError."""
    from botocore.exceptions import BotoCoreError

    try:
        data: bytes = body.read(_BLOCK)
    except BotoCoreError as error:
        raise ConnectionError(f"{path}: {error}") from None
    return data


def _manifest(cloud: Cloud, folder: Path, prefix: str) -> Mapping[str, Any]:
    """The bucket's manifest; the cache's own when the bucket can't be asked (a boot at 3 am)."""
    local = _local_manifest(folder)
    try:
        body = cloud.get_object(f"{prefix}/{MANIFEST}")
    except CloudUnreachable:
        if local is None:
            raise
        return local
    if body is not None:
        document: Mapping[str, Any] = json.loads(body)
        return document
    if local is None:
        raise AgentError(
            f"the weights {prefix} are not in the bucket",
            hint="`fab deploy` brings them there (seed-weights)",
        )
    return local


def _local_manifest(folder: Path) -> Optional[Mapping[str, Any]]:
    try:
        document: Mapping[str, Any] = read_json(folder / MANIFEST)
    except AgentError:
        return None
    return document


def _marks(folder: Path) -> Dict[str, List[Any]]:
    try:
        return dict(read_json(folder / VERIFIED))
    except (AgentError, TypeError, ValueError):
        return {}


def _good(folder: Path, file: WeightFile, marks: Dict[str, List[Any]]) -> bool:
    path = folder / file.path
    try:
        stat = path.stat()
    except OSError:
        return False
    mark = [stat.st_size, stat.st_mtime_ns, file.sha256]
    if stat.st_size != file.size:
        return False
    if marks.get(file.path) == mark:
        return True
    if sha256_of(path) != file.sha256:
        return False
    marks[file.path] = mark
    return True


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"
