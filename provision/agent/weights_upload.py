"""Weights from this host's cache into the fleet's bucket, with keys that an operator lent.

Such keys live for an hour. What arrived before they ended is known by the sha256 that is noted on
every object, so the next attempt sends only the rest. The manifest goes last: a bucket that has
one is whole.
"""

from __future__ import annotations

import json
import threading
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from itertools import compress
from pathlib import Path
from typing import Any, Callable, List, Mapping

from provision.agent.cloud import Cloud
from provision.agent.errors import KeysExpired
from provision.agent.weight_files import MANIFEST, WeightFile, parse

_PARALLEL = 8

Progress = Callable[[int, int], None]
"""``progress(done_bytes, total_bytes)``"""


def upload(
    reader: Cloud,
    writer: Cloud,
    folder: Path,
    prefix: str,
    document: Mapping[str, Any],
    *,
    progress: Progress,
) -> int:
    """Bring the folder's files into the bucket, the manifest last; how many had to be sent.

    *reader* looks at what is there (the host's role), *writer* may only write (lent keys). Raises
    KeysExpired, with the number of files that arrived, when the writer's keys end on the way.
    """
    text = (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()
    with ThreadPoolExecutor(_PARALLEL) as pool:
        missing = _missing(pool, reader, prefix, parse(document))
        count = _Count(sum(file.size for file in missing), progress)
        sent = [
            pool.submit(
                writer.upload,
                folder / file.path,
                f"{prefix}/{file.path}",
                sha256=file.sha256,
                count=count,
            )
            for file in missing
        ]
        _all_or_what_arrived(sent)
    if reader.get_object(f"{prefix}/{MANIFEST}") != text:
        try:
            writer.put_object(f"{prefix}/{MANIFEST}", text)
        except KeysExpired as error:
            error.sent = len(missing)
            raise
    return len(missing)


def _missing(
    pool: ThreadPoolExecutor, reader: Cloud, prefix: str, files: List[WeightFile]
) -> List[WeightFile]:
    """The files that the bucket does not have, or has with other content."""
    sizes = reader.list_objects(f"{prefix}/")

    def lacks(file: WeightFile) -> bool:
        key = f"{prefix}/{file.path}"
        return sizes.get(key) != file.size or reader.noted_sha256(key) != file.sha256

    return list(compress(files, pool.map(lacks, files)))


def _all_or_what_arrived(sent: List[Future[None]]) -> None:
    """Wait for all; the first failure cancels those that did not begin."""
    try:
        wait_for(sent, return_when=FIRST_EXCEPTION)
        for future in sent:
            if future.done():
                future.result()
    except KeysExpired as error:
        _cancel(sent)
        error.sent = sum(not future.cancelled() and not future.exception() for future in sent)
        raise
    except BaseException:
        _cancel(sent)
        raise


def _cancel(sent: List[Future[None]]) -> None:
    for future in sent:
        future.cancel()
    wait_for(sent)


class _Count:
    """Bytes that were sent, from many threads."""

    def __init__(self, total: int, progress: Progress) -> None:
        self._total, self._progress = total, progress
        self._done = 0
        self._lock = threading.Lock()

    def __call__(self, size: int) -> None:
        """Take *size* more; a part that is sent again is first taken back."""
        with self._lock:
            self._done += size
            self._progress(self._done, self._total)
