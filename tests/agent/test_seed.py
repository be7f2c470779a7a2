"""Weights from a model hub into cache and bucket."""

from __future__ import annotations

import errno
import hashlib
import json
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from botocore.exceptions import ClientError

from provision.agent import seed, weights_upload
from provision.agent.cloud import Cloud, keys_from
from provision.agent.errors import AgentError, CloudUnreachable, KeysExpired
from provision.agent.hub import Sibling, _DropTokenElsewhere, needed
from provision.agent.seed import Request
from provision.agent.settings import HostSettings
from tests.agent.conftest import World, host_json

FILES = {
    "README.md": b"# hello",
    "config.json": b'{"layers": 2}',
    "model-00001.safetensors": b"a" * 70_000,
    "model-00002.safetensors": b"b" * 30_000,
    "pytorch_model.bin": b"c" * 90_000,
    "tokenizer.json": b"{}",
}
TAKEN = [name for name in FILES if name not in ("README.md", "pytorch_model.bin")]
COMMIT = "c0ffee"
KEYS = {"access_key_id": "a", "secret_access_key": "b", "session_token": "c"}


@dataclass
class Hub:
    """A hub on loopback that can be gated, cut streams, or not know ranges."""

    gated: bool = False
    cut_after: int = 0
    ranges: bool = True
    wrong: bool = False
    busy: int = 0
    served: list[tuple[str, str | None]] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def hub() -> Iterator[Hub]:
    state = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            state.tokens.append(self.headers.get("Authorization"))
            if state.gated and self.headers.get("Authorization") != "Bearer hf_good":
                return self._say(401, b"gated")
            if state.busy:
                state.busy -= 1
                return self._say(503, b"")
            if self.path.startswith("/api/models/org/model/revision/main"):
                return self._say(200, json.dumps(listing()).encode())
            prefix = f"/org/model/resolve/{COMMIT}/"
            name = self.path.removeprefix(prefix)
            if not self.path.startswith(prefix) or name not in FILES:
                return self._say(404, b"")
            return self._file(name)

        def _file(self, name: str) -> None:
            data = b"z" * len(FILES[name]) if state.wrong else FILES[name]
            asked = self.headers.get("Range")
            state.served.append((name, asked))
            start = int(asked.split("=")[1].rstrip("-")) if asked and state.ranges else 0
            part = data[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(part)))
            self.end_headers()
            if state.cut_after and len(part) > state.cut_after:
                part, self.close_connection = part[: state.cut_after], True
            self.wfile.write(part)

        def _say(self, status: int, data: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def listing() -> dict[str, Any]:
    """What a hub says of a repository: hashes for the large files only."""
    siblings = [
        {
            "rfilename": name,
            "size": len(data),
            **({"lfs": lfs(data)} if len(data) > 1000 else {}),
        }
        for name, data in FILES.items()
    ]
    return {"sha": COMMIT, "siblings": siblings}


def lfs(data: bytes) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}


def request(hub: Hub, **changes: Any) -> Request:
    """What deploy sends on standard input."""
    document = {
        "repository": "org/model",
        "revision": "main",
        "folder": "mistral-7b/abc123",
        "endpoint": hub.url,
        "hub_token": None,
        "aws": KEYS,
        **changes,
    }
    return Request.parse(document)


def in_bucket(world: World) -> dict[str, bytes | None]:
    prefix = "weights/mistral-7b/abc123/"
    keys = world.host.cloud.list_objects(prefix)
    return {key.removeprefix(prefix): world.host.cloud.get_object(key) for key in keys}


@pytest.fixture
def empty(world: World) -> World:
    """A host whose bucket has no weights yet."""
    client = world.host.cloud.client("s3")
    for key in world.host.cloud.list_objects("weights/"):
        client.delete_object(Bucket="llm-fleet-test", Key=key)
    return world


class TestSeed:
    def test_brings_safetensors_into_cache_and_bucket(self, empty: World, hub: Hub) -> None:
        """One format of weights, what the engine reads beside it, and the manifest."""
        seed.seed(empty.host, request(hub))

        folder = empty.paths.cache / "models/mistral-7b/abc123"
        manifest = json.loads((folder / "manifest.json").read_text())
        assert sorted(manifest["files"]) == sorted(TAKEN)
        assert manifest["revision"] == COMMIT
        held = in_bucket(empty)
        assert {name: held[name] for name in TAKEN} == {name: FILES[name] for name in TAKEN}
        assert json.loads(held["manifest.json"] or b"") == manifest
        assert empty.events("seeded")[0]["uploaded"] == len(TAKEN)
        total = sum(len(FILES[name]) for name in TAKEN)
        done = {one["phase"]: one["done_bytes"] for one in empty.events("progress")}
        assert done == {"weights": total, "upload": total}

    def test_the_second_time_nothing_moves(self, empty: World, hub: Hub) -> None:
        """Neither from the hub nor to the bucket."""
        seed.seed(empty.host, request(hub))
        hub.served.clear()
        seed.seed(empty.host, request(hub))
        assert hub.served == []
        assert empty.events("seeded")[1]["uploaded"] == 0

    def test_goes_on_where_a_stream_was_cut(self, empty: World, hub: Hub) -> None:
        """A line that breaks every 20 KB costs no byte twice."""
        hub.cut_after = 20_000
        seed.seed(empty.host, request(hub))
        asked = [entry for name, entry in hub.served if name == "model-00001.safetensors"]
        assert asked == [None, "bytes=20000-", "bytes=40000-", "bytes=60000-"]
        assert in_bucket(empty)["model-00001.safetensors"] == FILES["model-00001.safetensors"]

    def test_a_hub_without_ranges_starts_over(self, empty: World, hub: Hub) -> None:
        """A whole answer to a range request replaces what was there."""
        hub.ranges = False
        partial = empty.paths.cache / "models/mistral-7b/abc123/model-00001.safetensors.partial"
        partial.parent.mkdir(parents=True)
        partial.write_bytes(b"a" * 500)
        seed.seed(empty.host, request(hub))
        assert in_bucket(empty)["model-00001.safetensors"] == FILES["model-00001.safetensors"]

    def test_a_busy_hub_is_asked_again(self, empty: World, hub: Hub) -> None:
        """503 is a pause, not an end."""
        hub.busy = 2
        before = empty.clock.now()
        seed.seed(empty.host, request(hub))
        assert empty.clock.now() > before

    def test_a_truncated_cache_is_mended(self, empty: World, hub: Hub) -> None:
        """The manifest is looked at, not believed."""
        seed.seed(empty.host, request(hub))
        path = empty.paths.cache / "models/mistral-7b/abc123/model-00002.safetensors"
        path.write_bytes(b"b")
        seed.seed(empty.host, request(hub))
        assert path.read_bytes() == FILES["model-00002.safetensors"]


def test_the_token_stays_at_the_hub(hub: Hub) -> None:
    """Large files are redirected to another host, which gets no token."""
    handler = _DropTokenElsewhere()
    asked = urllib.request.Request(hub.url, headers={"Authorization": "Bearer hf_good"})
    where = {"same": f"{hub.url}/blob", "other": "http://cdn.example/blob?signature=x"}
    sent = {
        name: handler.redirect_request(asked, None, 302, "Found", {}, url).has_header(
            "Authorization"
        )
        for name, url in where.items()
    }
    assert sent == {"same": True, "other": False}


class TestRefusals:
    def test_a_gated_model_names_the_secret(self, empty: World, hub: Hub) -> None:
        """Without a token: what to accept, and where to put the token."""
        hub.gated = True
        with pytest.raises(AgentError, match="is gated or private") as caught:
            seed.seed(empty.host, request(hub))
        assert caught.value.hint.endswith("the secret /llm-fleet/test/hub-token")
        assert in_bucket(empty) == {}

    def test_with_the_token_it_comes(self, empty: World, hub: Hub) -> None:
        """The token goes with every request to the hub."""
        hub.gated = True
        seed.seed(empty.host, request(hub, hub_token="hf_good"))
        assert set(hub.tokens) == {"Bearer hf_good"}

    def test_files_that_are_not_what_the_hub_says(self, empty: World, hub: Hub) -> None:
        """A wrong hash is never uploaded."""
        hub.wrong = True
        with pytest.raises(AgentError, match="is not what the hub says it is"):
            seed.seed(empty.host, request(hub))
        assert in_bucket(empty) == {}

    def test_an_unknown_revision(self, empty: World, hub: Hub) -> None:
        """404 points at model.name and model.revision."""
        with pytest.raises(AgentError, match="no such model, revision or file"):
            seed.seed(empty.host, request(hub, revision="nope"))

    def test_a_full_disk(self, empty: World, hub: Hub) -> None:
        """ENOSPC is said as what it is."""

        def full(_out: Any, _block: bytes) -> object:
            raise OSError(errno.ENOSPC, "No space left on device")

        with pytest.raises(AgentError, match="no room for the weights"):
            seed.seed(empty.host, request(hub), write=full)

    def test_a_request_without_a_repository(self) -> None:
        """The missing key is named."""
        with pytest.raises(AgentError, match="lacks 'repository'"):
            Request.parse({"folder": "a/b"})


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        (["a.safetensors", "a.bin", "config.json"], ["a.safetensors", "config.json"]),
        (["model.safetensors", "consolidated.safetensors"], ["model.safetensors"]),
        (["consolidated.safetensors", "params.json"], ["consolidated.safetensors", "params.json"]),
        (["pytorch_model.bin", "onnx/model.onnx", "logo.png"], ["pytorch_model.bin"]),
        (["model.safetensors", "original/consolidated.00.pth"], ["model.safetensors"]),
        (["README.md", "config.json"], []),
    ],
)
def test_one_format_of_weights_is_taken(names: list[str], taken: list[str]) -> None:
    """Safetensors first; copies in other formats and folders stay at the hub."""
    assert [file.path for file in needed([Sibling(name) for name in names])] == taken


@dataclass
class Lent:
    """An operator's keys at the bucket: good for some writes, or ended, or without the right."""

    cloud: Cloud
    writes: int = 10**6
    code: str = "ExpiredToken"
    wrote: list[str] = field(default_factory=list)

    def refuse(self, params: dict[str, Any], **_: Any) -> None:
        name = params["url_path"].rpartition("/")[2]
        if len(self.wrote) >= self.writes:
            error = {"Code": self.code, "Message": "The provided token has expired."}
            raise ClientError({"Error": error}, "PutObject")
        self.wrote.append(name)


@pytest.fixture
def lent(empty: World, monkeypatch: pytest.MonkeyPatch) -> Lent:
    """What the host gets for the keys in its request."""
    cloud = Cloud(HostSettings.parse(host_json()), keys=keys_from(KEYS))
    state = Lent(cloud)
    cloud.client("s3").meta.events.register("before-call.s3.PutObject", state.refuse)
    monkeypatch.setattr(Cloud, "with_keys", lambda _self, _keys: cloud)
    monkeypatch.setattr(weights_upload, "_PARALLEL", 1)  # so that the order is known
    return state


class TestKeysThatEnd:
    """The operator's keys live for an hour; 140 GB may take longer."""

    def test_what_arrived_is_not_sent_again(self, empty: World, hub: Hub, lent: Lent) -> None:
        """The first attempt says how far it came, without a manifest; the next sends the rest."""
        lent.writes = 2
        with pytest.raises(KeysExpired, match=r"can't write s3://.*ExpiredToken") as caught:
            seed.seed(empty.host, request(hub))
        assert caught.value.more() == {"code": "keys-expired", "sent": 2}
        assert "run the same command again" in caught.value.hint
        assert sorted(in_bucket(empty)) == sorted(lent.wrote) == TAKEN[:2]

        hub.served.clear()
        lent.writes = 10**6
        seed.seed(empty.host, request(hub))
        assert hub.served == []
        assert lent.wrote == [*TAKEN, "manifest.json"]
        assert empty.events("seeded")[0]["uploaded"] == 2

    def test_that_end_before_the_manifest(self, empty: World, hub: Hub, lent: Lent) -> None:
        """All files count as arrived; then only the manifest is missing."""
        lent.writes = len(TAKEN)
        with pytest.raises(KeysExpired) as caught:
            seed.seed(empty.host, request(hub))
        assert caught.value.sent == len(TAKEN)
        lent.writes = 10**6
        seed.seed(empty.host, request(hub))
        assert lent.wrote == [*TAKEN, "manifest.json"]

    def test_side_by_side(
        self, empty: World, hub: Hub, lent: Lent, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whoever fails, those that arrived are counted, and no manifest is written."""
        monkeypatch.setattr(weights_upload, "_PARALLEL", 8)
        lent.writes = 3
        with pytest.raises(KeysExpired) as caught:
            seed.seed(empty.host, request(hub))
        assert caught.value.sent == len(in_bucket(empty)) == 3
        assert "manifest.json" not in in_bucket(empty)

    def test_without_the_right_it_is_no_matter_of_time(
        self, empty: World, hub: Hub, lent: Lent
    ) -> None:
        """boto3 hides what S3 said behind an error of its own: the reason is said all the same."""
        lent.writes, lent.code = 0, "AccessDenied"
        with pytest.raises(CloudUnreachable, match=r"can't write s3://.*AccessDenied") as caught:
            seed.seed(empty.host, request(hub))
        assert caught.value.more() == {}
        assert "pulumi up" in caught.value.hint

    def test_other_content_of_the_same_size_is_replaced(
        self, empty: World, hub: Hub, lent: Lent
    ) -> None:
        """A branch moved, or a person put it there: the size alone proves nothing."""
        size = len(FILES["model-00001.safetensors"])
        key = "weights/mistral-7b/abc123/model-00001.safetensors"
        empty.host.cloud.put_object(key, b"?" * size)
        seed.seed(empty.host, request(hub))
        assert in_bucket(empty)["model-00001.safetensors"] == FILES["model-00001.safetensors"]
