"""The rehearsal's model hub answers as the Hugging Face Hub does."""

from __future__ import annotations

import hashlib
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rehearsal import hub
from rehearsal.http_server import Server

pytestmark = pytest.mark.enable_socket
WEIGHTS = bytes(range(200))


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    for name in ("org/open", "org/gated"):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_bytes(WEIGHTS)
    (tmp_path / "org/gated/.revision").write_text("c0ffee\n")
    server = Server("127.0.0.1", 0, hub.handler(tmp_path, ("org/gated",))).start()
    yield f"http://127.0.0.1:{server.port}"
    server.stop()


def get(url: str, *, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    request = urllib.request.Request(url, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()


def describe(url: str, path: str, **headers: str) -> Any:
    return json.loads(get(f"{url}/api/models/{path}", **headers)[2])


def test_a_model_names_its_commit_and_its_files(url: str) -> None:
    """The commit is 40 hex digits and stays the same; hidden files are not shown."""
    said = describe(url, "org/open/revision/main")

    assert [item["rfilename"] for item in said["siblings"]] == ["config.json", "model.safetensors"]
    assert len(said["sha"]) == 40
    assert describe(url, f"org/open/revision/{said['sha']}") == said


def test_a_file_comes_whole_with_its_digest(url: str) -> None:
    """ETag is the file's SHA-256, as for large files on the Hub."""
    status, headers, body = get(f"{url}/org/open/resolve/main/model.safetensors")

    assert (status, body) == (200, WEIGHTS)
    assert headers["ETag"] == f'"{hashlib.sha256(WEIGHTS).hexdigest()}"'


def test_a_download_can_go_on_where_it_stopped(url: str) -> None:
    """A Range is answered with 206 and the rest; one past the end with 416."""
    path = f"{url}/org/open/resolve/main/model.safetensors"

    status, headers, body = get(path, Range="bytes=150-")

    assert (status, body) == (206, WEIGHTS[150:])
    assert headers["Content-Range"] == "bytes 150-199/200"
    assert get(path, Range="bytes=200-")[0] == 416


def test_head_says_the_size_and_sends_nothing(url: str) -> None:
    """HEAD has the headers of GET."""
    status, headers, body = get(f"{url}/org/open/resolve/main/model.safetensors", method="HEAD")

    assert (status, headers["Content-Length"], body) == (200, "200", b"")


def test_a_gated_model_wants_a_token(url: str) -> None:
    """401 with the Hub's error code, until a bearer token is shown; the pinned commit is known."""
    path = f"{url}/api/models/org/gated/revision/c0ffee"

    status, headers, _ = get(path)

    assert (status, headers["X-Error-Code"]) == (401, "GatedRepo")
    assert describe(url, "org/gated/revision/c0ffee", Authorization="Bearer x")["sha"] == "c0ffee"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/models/org/none/revision/main", 401, "RepoNotFound"),
        ("/api/models/org/open/revision/0123", 404, "RevisionNotFound"),
        ("/org/open/resolve/main/none.bin", 404, "EntryNotFound"),
        ("/org/open/resolve/main/../gated/config.json", 404, "EntryNotFound"),
    ],
)
def test_what_is_not_there(url: str, path: str, status: int, code: str) -> None:
    """The Hub's status and error code for each; no way out of the folder."""
    got, headers, _ = get(url + path)

    assert (got, headers["X-Error-Code"]) == (status, code)
