"""A Hugging Face hub (or a mirror with the same paths) over plain HTTPS."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Callable, Dict, List, Mapping, Optional, Sequence

from provision.agent.errors import AgentError

_ASK_S = 30.0
_BLOCK = 1 << 22
_WEIGHTS = (".safetensors", ".bin", ".pth", ".pt", ".gguf", ".onnx", ".h5", ".msgpack", ".tflite")
_USELESS = (".md", ".gitattributes", ".png", ".jpg", ".jpeg", ".pdf", ".gif", ".svg")

Count = Callable[[int], None]
Write = Callable[[BinaryIO, bytes], object]


@dataclass(frozen=True)
class Sibling:
    """One file of a repository; size and sha256 only where the hub says them (large files)."""

    path: str
    size: Optional[int] = None
    sha256: Optional[str] = None


@dataclass(frozen=True)
class Snapshot:
    """A repository at one commit."""

    commit: str
    files: Sequence[Sibling]


class Hub:
    """Reads one repository.

    *token* goes to the hub's own host only; *token_secret* names where people put it.
    """

    def __init__(
        self, endpoint: str, repository: str, token: Optional[str], *, token_secret: str
    ) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._repository = repository
        self._token_secret = token_secret
        self._opener = urllib.request.build_opener(_DropTokenElsewhere())
        self._headers = {"User-Agent": "llm-fleet"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def snapshot(self, revision: str) -> Snapshot:
        """The files at *revision*, with the commit that it stands for."""
        name = urllib.parse.quote(revision, safe="")
        path = f"/api/models/{self._repository}/revision/{name}?blobs=true"
        with self._open(path, {}) as answer:
            document: Dict[str, Any] = json.loads(answer.read())
        files = [_sibling(item) for item in document.get("siblings", [])]
        return Snapshot(str(document.get("sha") or revision), files)

    def download(self, commit: str, path: str, target: Path, *, count: Count, write: Write) -> None:
        """Append to *target* what is missing of *path*; a hub without ranges starts it over."""
        have = target.stat().st_size if target.exists() else 0
        quoted = urllib.parse.quote(path)
        headers = {"Range": f"bytes={have}-"} if have else {}
        url = f"/{self._repository}/resolve/{commit}/{quoted}"
        with self._open(url, headers, whole_at=have) as answer:
            if answer is None:
                return
            if answer.status != 206:
                target.unlink(missing_ok=True)
            with target.open("ab") as out:
                while True:
                    block = answer.read(_BLOCK)
                    if not block:
                        return
                    write(out, block)
                    count(len(block))

    def _open(self, path: str, headers: Mapping[str, str], *, whole_at: int = 0) -> Any:
        request = urllib.request.Request(
            self._endpoint + path, headers={**self._headers, **headers}
        )
        try:
            return self._opener.open(request, timeout=_ASK_S)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416 and whole_at:
                return _Nothing()
            raise self._refused(error.code, error.headers) from None
        except urllib.error.URLError as error:
            raise ConnectionError(f"{self._endpoint}: {error.reason}") from None

    def _refused(self, code: int, headers: Any) -> Exception:
        what = f"{self._endpoint}/{self._repository}"
        if code in (401, 403):
            return AgentError(
                f"{what} is gated or private (HTTP {code})",
                hint="accept the model's terms on the hub, then put a token that may read it into "
                f"the secret {self._token_secret}",
            )
        if code == 404:
            return AgentError(
                f"{what} has no such model, revision or file (HTTP 404)",
                hint="check model.name and model.revision",
            )
        return ConnectionError(f"{what}: HTTP {code} {headers.get('Retry-After') or ''}".strip())


class _Nothing:
    """The answer to a range that begins at the file's end: it is all here."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


class _DropTokenElsewhere(urllib.request.HTTPRedirectHandler):
    """Large files are redirected elsewhere, with a signature in the address: no token there."""

    def redirect_request(  # noqa: PLR0917 - urllib's signature
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Any:
        made = super().redirect_request(req, fp, code, msg, headers, newurl)
        if made is not None and made.host != req.host:
            made.remove_header("Authorization")
        return made


def needed(files: Sequence[Sibling]) -> List[Sibling]:
    """The files that an engine reads: one format of weights, safetensors first, and no pictures.

    Weights in folders of their own (other formats, originals) and consolidated copies stay there.
    """
    plain = [file for file in files if not _is_weights(file.path)]
    plain = [file for file in plain if not file.path.lower().endswith(_USELESS)]
    weights = [file for file in files if _is_weights(file.path) and "/" not in file.path]
    for suffix in (".safetensors", ".bin", ".pth", ".pt", ".gguf"):
        chosen = [file for file in weights if file.path.endswith(suffix)]
        parts = [file for file in chosen if not file.path.startswith("consolidated")]
        if chosen:
            return sorted([*plain, *(parts or chosen)], key=lambda file: file.path)
    return []


def _is_weights(path: str) -> bool:
    return PurePosixPath(path).suffix in _WEIGHTS


def _sibling(item: Mapping[str, Any]) -> Sibling:
    path = str(item["rfilename"])
    if path.startswith("/") or ".." in PurePosixPath(path).parts:
        raise AgentError(f"the hub names a file outside the repository: {path}")
    lfs: Mapping[str, Any] = item.get("lfs") or {}
    size = lfs.get("size", item.get("size"))
    return Sibling(path, None if size is None else int(size), lfs.get("sha256") or lfs.get("oid"))
