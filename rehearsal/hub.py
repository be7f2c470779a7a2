"""A model hub as the Hugging Face Hub answers: revisions, files, ranges, gated repositories."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from rehearsal.http_server import QuietHandler

API = re.compile(r"/api/models/([^/]+/[^/]+)(?:/revision/([^/?]+))?$")
FILE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)$")
PIECE = 1 << 20


def revision(folder: Path) -> str:
    """The commit id of what *folder* holds: its ``.revision`` file, or made up."""
    pinned = folder / ".revision"
    if pinned.exists():
        return pinned.read_text().strip()
    lines = [f"{name} {(folder / name).stat().st_size}" for name in _files(folder)]
    return hashlib.sha1("\n".join(lines).encode(), usedforsecurity=False).hexdigest()


def handler(root: Path, gated: tuple[str, ...] = ()) -> type[QuietHandler]:
    """A request handler that serves the models below *root* (``ORG/NAME/files``)."""

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if match := API.match(path):
                self._describe(match[1], match[2])
            elif match := FILE.match(path):
                self._file(match[1], match[2], match[3])
            else:
                self._refuse(404, "EntryNotFound", "no such page")

        do_HEAD = do_GET

        def _describe(self, name: str, wanted: str | None) -> None:
            folder = self._folder(name, wanted or "main")
            if folder is None:
                return
            said = {
                "id": name,
                "modelId": name,
                "sha": revision(folder),
                "gated": "manual" if name in gated else False,
                "private": False,
                "siblings": [
                    {"rfilename": file, "size": (folder / file).stat().st_size}
                    for file in _files(folder)
                ],
            }
            self.answer(200, json.dumps(said).encode(), kind="application/json")

        def _file(self, name: str, wanted: str, path: str) -> None:
            folder = self._folder(name, wanted)
            if folder is None:
                return
            if path not in _files(folder):
                return self._refuse(404, "EntryNotFound", f"{path} is not in {name}")
            self._send_file(folder / path, revision(folder))

        def _send_file(self, file: Path, sha: str) -> None:
            size = file.stat().st_size
            span = re.match(r"bytes=(\d+)-(\d*)$", self.headers.get("Range") or "")
            first = int(span[1]) if span else 0
            last = min(int(span[2]), size - 1) if span and span[2] else size - 1
            if first > last and size:
                return self.answer(416, headers={"Content-Range": f"bytes */{size}"})
            self.send_response(206 if span else 200)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(last - first + 1))
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("ETag", f'"{_digest(file)}"')
            self.send_header("X-Repo-Commit", sha)
            if span:
                self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
            self.end_headers()
            if self.command != "HEAD":
                self._send_span(file, first, last + 1)

        def _send_span(self, file: Path, start: int, end: int) -> None:
            with file.open("rb") as opened:
                opened.seek(start)
                while start < end:
                    piece = opened.read(min(PIECE, end - start))
                    self.wfile.write(piece)
                    start += len(piece)

        def _folder(self, name: str, wanted: str) -> Path | None:
            folder = root / name
            if not folder.is_dir():
                self._refuse(401, "RepoNotFound", "Repository Not Found")
                return None
            if name in gated and not (self.headers.get("Authorization") or "").startswith("Bearer"):
                self._refuse(401, "GatedRepo", f"Access to model {name} is restricted")
                return None
            sha = revision(folder)
            if wanted not in ("main", sha):
                self._refuse(404, "RevisionNotFound", f"Invalid rev id: {wanted}")
                return None
            return folder

        def _refuse(self, status: int, code: str, message: str) -> None:
            headers = {"X-Error-Code": code, "X-Error-Message": message}
            body = json.dumps({"error": message}).encode()
            self.answer(status, body, headers=headers, kind="application/json")

    return Handler


def _files(folder: Path) -> list[str]:
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(str(path) for path in found if not path.name.startswith("."))


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
