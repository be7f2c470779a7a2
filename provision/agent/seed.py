"""Weights from the model hub into this host's cache, and from there into the fleet's bucket.

Done once per model and revision, by one host, with keys that the operator lends for an hour: the
host's own role can't write to the bucket. Where an attempt ends, the next one goes on.
"""

from __future__ import annotations

import errno
import http.client
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple

from provision.agent import cache, weight_files, weights
from provision.agent.cloud import keys_from
from provision.agent.errors import AgentError, Stopped
from provision.agent.events import Percent
from provision.agent.host import Host
from provision.agent.hub import Hub, Sibling, Write, needed
from provision.agent.lock import held
from provision.agent.manifest import sha256_of
from provision.agent.system import write_json
from provision.agent.weight_files import WeightFile
from provision.agent.weights_upload import upload

_PARALLEL = 8
_ATTEMPTS = 5
_LOCK_WAIT_S = 60.0


@dataclass(frozen=True)
class Request:
    """What to bring. *folder* is ``<model>/<revision>``, below ``models/`` and ``weights/``."""

    repository: str
    revision: str
    folder: str
    endpoint: str
    hub_token: Optional[str]
    aws: Optional[Mapping[str, str]]

    @staticmethod
    def parse(document: Mapping[str, Any]) -> Request:
        """Read the request. Raises AgentError."""
        try:
            folder = str(document["folder"]).strip("/")
            folder = folder[len("models/") :] if folder.startswith("models/") else folder
            if ".." in Path(folder).parts:
                raise AgentError(f"the folder {folder} is not below models/")
            return Request(
                repository=str(document["repository"]),
                revision=str(document["revision"]),
                folder=folder,
                endpoint=str(document["endpoint"]),
                hub_token=document.get("hub_token") or None,
                aws=keys_from(document["aws"]) if document.get("aws") else None,
            )
        except KeyError as error:
            raise AgentError(f"the seed request lacks {error}") from None


def seed(host: Host, request: Request, *, write: Write = weights.write_block) -> None:
    """Make cache and bucket hold the model. What is there already is neither fetched nor sent.

    Raises AgentError; KeysExpired when the lent keys ended before everything was in the bucket.
    """
    with held(host.paths.run / "seed.lock", host.clock, host.events, wait_s=_LOCK_WAIT_S):
        cache.ensure(host)
        folder = host.paths.cache / "models" / request.folder
        with host.events.phase("download"):
            document = _Seeding(host, request, folder, write).download()
        with host.events.phase("upload"):
            cloud = host.cloud.with_keys(request.aws) if request.aws else host.cloud
            uploaded = upload(
                host.cloud,
                cloud,
                folder,
                f"weights/{request.folder}",
                document,
                progress=Percent(host.events, phase="upload"),
            )
    total = sum(entry["size"] for entry in document["files"].values())
    host.events.emit(
        "seeded",
        folder=f"models/{request.folder}",
        revision=document["revision"],
        files=len(document["files"]),
        bytes=total,
        uploaded=uploaded,
    )


class _Seeding:
    def __init__(self, host: Host, request: Request, folder: Path, write: Write) -> None:
        self._host, self._request, self._folder, self._write = host, request, folder, write
        self._hub = Hub(
            request.endpoint,
            request.repository,
            request.hub_token,
            token_secret=f"{host.settings.secret_root}/hub-token",
        )
        self._report = Percent(host.events)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._done = 0
        self._total = 0

    def download(self) -> Dict[str, Any]:
        """The manifest of the folder, complete and hashed."""
        existing = self._complete()
        if existing is not None:
            return existing
        snapshot = self._retried(lambda: self._hub.snapshot(self._request.revision))
        files = needed(snapshot.files)
        if not files:
            raise AgentError(f"{self._request.repository} holds no weights that vLLM reads")
        known = [WeightFile(f.path, f.sha256 or "", f.size or 0) for f in files]
        absent = [file for file in known if not (self._folder / file.path).is_file()]
        weights.check_space(self._folder, absent)
        self._total = sum(file.size for file in absent)
        with ThreadPoolExecutor(_PARALLEL) as pool:
            try:
                entries = list(pool.map(lambda file: self._file(snapshot.commit, file), files))
            except BaseException:
                self._ended.set()
                raise
        document = {
            "repository": self._request.repository,
            "revision": snapshot.commit,
            "files": dict(entries),
        }
        weight_files.mark(self._folder, weight_files.parse(document))
        write_json(self._folder / weight_files.MANIFEST, document)
        return document

    def _complete(self) -> Optional[Dict[str, Any]]:
        """The manifest of a cache that is whole already, None when it is not."""
        try:
            document = json.loads(
                (self._folder / weight_files.MANIFEST).read_text(encoding="utf-8")
            )
        except (OSError, ValueError):
            return None
        bad: List[WeightFile] = weight_files.bad_files(self._folder, weight_files.parse(document))
        for file in bad:
            (self._folder / file.path).unlink(missing_ok=True)
        return None if bad else dict(document)

    def _file(self, commit: str, sibling: Sibling) -> Tuple[str, Dict[str, Any]]:
        final = self._folder / sibling.path
        final.parent.mkdir(parents=True, exist_ok=True)
        if not self._right(final, sibling):
            partial = final.with_name(final.name + ".partial")
            self._retried(lambda: self._whole(commit, sibling, partial))
            partial.replace(final)
        known = sibling.sha256 or sha256_of(final)  # it was compared with the hub's just now
        return sibling.path, {"sha256": known, "size": final.stat().st_size}

    def _whole(self, commit: str, sibling: Sibling, partial: Path) -> None:
        self._hub.download(commit, sibling.path, partial, count=self._count, write=self._write)
        if not partial.exists():
            partial.touch()
        if sibling.size is not None and partial.stat().st_size < sibling.size:
            raise ConnectionError(f"{sibling.path} broke off")
        if not self._right(partial, sibling):
            partial.unlink()
            raise ConnectionError(f"{sibling.path} is not what the hub says it is")

    def _right(self, path: Path, sibling: Sibling) -> bool:
        if not path.is_file():
            return False
        if sibling.size is not None and path.stat().st_size != sibling.size:
            return False
        return sibling.sha256 is None or sha256_of(path) == sibling.sha256

    def _retried(self, attempt: Any) -> Any:
        for number in range(1, _ATTEMPTS + 1):
            try:
                return attempt()
            except (OSError, http.client.HTTPException) as error:
                if getattr(error, "errno", None) == errno.ENOSPC:
                    raise weights.disk_full(self._folder, "while downloading") from None
                if number == _ATTEMPTS:
                    raise AgentError(
                        f"can't download {self._request.repository}: {error}",
                        hint="does this host reach the hub? run it again: it goes on where it was",
                    ) from None
                self._host.clock.sleep(float(2**number))
        raise AssertionError("unreachable")

    def _count(self, size: int) -> None:
        if self._ended.is_set():
            raise Stopped("another file failed, or somebody ended it")
        with self._lock:
            self._done += size
            self._report(min(self._done, self._total), self._total)
