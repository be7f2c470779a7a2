"""A model's files on the cache volume: complete, and byte for byte what the manifest says.

``manifest.json`` beside the files is written last: where it is, the model was once complete.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO, Callable, Dict, Iterable, List, Mapping, Optional

from provision.agent.cloud import Cloud
from provision.agent.errors import AgentError, CloudUnreachable
from provision.agent.system import read_json, write_json
from provision.agent.weight_files import MANIFEST, WeightFile, bad_files, mark, parse, size_of

_BLOCK = 1 << 22
_PARALLEL = 8
_ATTEMPTS = 3

Progress = Callable[[int, int], None]
"""``progress(done_bytes, total_bytes)``"""

Write = Callable[[BinaryIO, bytes], object]


def write_block(out: BinaryIO, block: bytes) -> object:
    """Write one block to an open file."""
    return out.write(block)


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
        mark(folder, missing)
    if missing or not (folder / MANIFEST).is_file():
        write_json(folder / MANIFEST, document)
    return total


def check_space(folder: Path, files: Iterable[WeightFile]) -> None:
    """Raise AgentError when *files* would not fit beside what is in *folder* already."""
    folder.mkdir(parents=True, exist_ok=True)
    needed = sum(max(0, file.size - size_of(partial(folder, file))) for file in files)
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


class _Download:
    """Files from the bucket, side by side, each going on where an earlier attempt ended.

    What comes in is hashed as it comes: reading 14 GB again costs minutes on a small instance.
    """

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
        """Fetch *files*; the first failure, or a signal, ends the others soon."""
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

    def _file(self, file: WeightFile) -> None:
        path = partial(self._folder, file)
        path.parent.mkdir(parents=True, exist_ok=True)
        problem = "it is not what the manifest says"
        for _ in range(_ATTEMPTS):
            try:
                sha256 = self._fetch(file, path)
            except OSError as error:
                if error.errno == errno.ENOSPC:
                    path.unlink(missing_ok=True)
                    raise disk_full(self._folder, f"while writing {file.path}") from None
                problem = str(error)
                continue
            if sha256 == file.sha256:
                path.replace(self._folder / file.path)
                return
            if size_of(path) >= file.size:
                path.unlink()  # whole and wrong: from the beginning; a cut one goes on
        raise AgentError(
            f"can't get {self._prefix}/{file.path} from the bucket: {problem}",
            hint="seed the weights again: `fab deploy` does when the bucket's copy is damaged",
        )

    def _fetch(self, file: WeightFile, path: Path) -> str:
        """Append what is missing to *path*; the sha256 of all of it."""
        digest = hashlib.sha256()
        with path.open("a+b") as out:
            _take_in(out, digest)
            if out.tell() < file.size or not file.size:
                key = f"{self._prefix}/{file.path}"
                body = self._cloud.open_object(key, start=out.tell())
                self._append(body, out, digest, file)
        return digest.hexdigest()

    def _append(self, body: Any, out: BinaryIO, digest: Any, file: WeightFile) -> None:
        while not self._ended.is_set():
            block = _read(body, file.path)
            if not block:
                return
            self._write(out, block)
            digest.update(block)
            self._done[file.path] = out.tell()
            self._progress(sum(self._done.values()), self._total)


def _take_in(out: BinaryIO, digest: Any) -> None:
    """Hash what is in the file already, leaving it at its end."""
    out.seek(0)
    while True:
        block = out.read(_BLOCK)
        if not block:
            return
        digest.update(block)


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


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"
