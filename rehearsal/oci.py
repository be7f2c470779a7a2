"""Images made without a Docker daemon: files, a configuration, a manifest, pushed over HTTP."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rehearsal.processes import MachineError, run

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
EPOCH = "2020-01-01T00:00:00Z"


@dataclass(slots=True)
class Layer:
    """A root file system in the making. Deterministic: no times, root owns all."""

    entries: dict[str, tarfile.TarInfo] = field(default_factory=dict)
    data: dict[str, bytes] = field(default_factory=dict)

    def folder(self, path: str, mode: int = 0o755) -> None:
        """An empty folder, with the folders above it."""
        parent = str(Path(path).parent)
        if parent != "/" and parent not in self.entries:
            self.folder(parent)
        self._add(path, tarfile.DIRTYPE, mode)

    def link(self, path: str, target: str) -> None:
        """A symbolic link."""
        self._above(path)
        self._add(path, tarfile.SYMTYPE, 0o777).linkname = target

    def text(self, path: str, text: str, mode: int = 0o644) -> None:
        """A file with this text."""
        self.file(path, text.encode(), mode)

    def file(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """A file with this content."""
        self._above(path)
        self._add(path, tarfile.REGTYPE, mode).size = len(data)
        self.data[path] = data

    def program(self, source: Path) -> None:
        """A program of this machine at the same place, with the libraries that it needs."""
        real = source.resolve()
        self.file(_merged(str(source)), real.read_bytes(), 0o755)
        for word in run("ldd", real, check=False).split():
            if word.startswith("/") and _merged(word) not in self.entries:
                self.file(_merged(word), Path(word).resolve().read_bytes(), 0o755)

    def pack(self) -> bytes:
        """The layer as a tar file."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for path in sorted(self.entries):
                data = self.data.get(path)
                tar.addfile(self.entries[path], io.BytesIO(data) if data is not None else None)
        return buffer.getvalue()

    def _above(self, path: str) -> None:
        parent = str(Path(path).parent)
        if parent != "/" and parent not in self.entries:
            self.folder(parent)

    def _add(self, path: str, kind: bytes, mode: int) -> tarfile.TarInfo:
        entry = tarfile.TarInfo(path.lstrip("/"))
        entry.type, entry.mode = kind, mode
        self.entries[path] = entry
        return entry


def push(
    registry: str, repository: str, tag: str, layer: Layer, config: Mapping[str, object]
) -> str:
    """Put an image of one layer into the registry and return its manifest's digest."""
    plain = layer.pack()
    packed = gzip.compress(plain, compresslevel=1, mtime=0)
    document = {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}[run("uname", "-m").strip()],
        "os": "linux",
        "created": EPOCH,
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [_digest(plain)]},
        "history": [{"created": EPOCH, "created_by": "llm-fleet rehearsal"}],
    }
    encoded = json.dumps(document, sort_keys=True).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "size": len(encoded), "digest": _digest(encoded)},
        "layers": [{"mediaType": LAYER, "size": len(packed), "digest": _digest(packed)}],
    }
    base = f"http://{registry}/v2/{repository}"
    for blob in (encoded, packed):
        _upload(base, blob)
    body = json.dumps(manifest, sort_keys=True).encode()
    answer = _ask("PUT", f"{base}/manifests/{tag}", body, MANIFEST)
    return answer["docker-content-digest"]


def _upload(base: str, blob: bytes) -> None:
    digest = _digest(blob)
    try:
        _ask("HEAD", f"{base}/blobs/{digest}")
        return
    except MachineError:
        pass
    place = _ask("POST", f"{base}/blobs/uploads/")["location"]
    joint = "&" if "?" in place else "?"
    _ask("PUT", f"{place}{joint}digest={digest}", blob, "application/octet-stream")


def _ask(method: str, url: str, body: bytes | None = None, kind: str = "") -> dict[str, str]:
    headers = {"Content-Type": kind} if kind else {}
    data = body if body is not None else (b"" if method == "POST" else None)
    request = urllib.request.Request(url, data=data, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return {name.lower(): value for name, value in answer.headers.items()}
    except urllib.error.HTTPError as error:
        said = error.read().decode(errors="replace")[:500]
        raise MachineError(f"registry: {method} {url}: {error.code} {said}") from error
    except OSError as error:
        raise MachineError(f"registry: {method} {url}: {error}") from error


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _merged(path: str) -> str:
    """The place of a file when /bin, /sbin, /lib and /lib64 are links into /usr."""
    top = Path(path).parts[1]
    return f"/usr{path}" if top in ("bin", "sbin", "lib", "lib64") else path


def merged_usr(layer: Layer, folders: Sequence[str] = ("bin", "sbin", "lib", "lib64")) -> None:
    """The links of a root whose programs all live below /usr, as on this machine."""
    for name in folders:
        layer.folder(f"/usr/{name}")
        layer.link(f"/{name}", f"usr/{name}")
