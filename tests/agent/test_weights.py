"""Weights on the cache volume: complete and right, or an error; never half."""

from __future__ import annotations

import errno
import io
import shutil
from pathlib import Path
from typing import Any

import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from provision.agent import weight_files, weights
from provision.agent.cloud import Cloud
from provision.agent.errors import AgentError, CloudUnreachable
from provision.agent.settings import HostSettings
from tests.agent.conftest import PREFIX, WEIGHTS, World, host_json, weights_manifest


def ensure(world: World, folder: Path, **options: Any) -> int:
    """Bring the model into *folder*."""
    options.setdefault("progress", lambda _done, _total: None)
    return weights.ensure(world.host.cloud, folder, PREFIX, **options)


def contents(folder: Path) -> dict[str, bytes]:
    """Every visible file of *folder* but the manifest."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("manifest.json", ".verified.json")
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models/mistral-7b/abc123"


class TestEnsure:
    def test_fetches_what_is_missing_and_nothing_twice(self, world: World, folder: Path) -> None:
        """The first time everything, the second time nothing."""
        assert ensure(world, folder) == sum(map(len, WEIGHTS.values()))
        assert contents(folder) == WEIGHTS
        assert ensure(world, folder) == 0

    @pytest.mark.parametrize("damage", ["truncated", "flipped", "missing"])
    def test_mends_a_damaged_file(self, world: World, folder: Path, damage: str) -> None:
        """Only that file is fetched again."""
        ensure(world, folder)
        path = folder / "model.safetensors"
        if damage == "missing":
            path.unlink()
        else:
            path.write_bytes(b"w" * 10 if damage == "truncated" else b"x" * 5000)
        assert ensure(world, folder) == 5000
        assert contents(folder) == WEIGHTS

    def test_goes_on_where_a_download_ended(
        self, world: World, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A partial file is continued from its end, not begun again."""
        asked: list[int] = []
        opened = Cloud.open_object

        def spy(cloud: Cloud, key: str, *, start: int = 0) -> Any:
            asked.append(start)
            return opened(cloud, key, start=start)

        monkeypatch.setattr(Cloud, "open_object", spy)
        folder.mkdir(parents=True)
        (folder / "model.safetensors.partial").write_bytes(b"w" * 3000)
        ensure(world, folder)
        assert sorted(asked) == [0, 0, 3000]
        assert contents(folder) == WEIGHTS

    def test_a_partial_file_that_is_whole_is_taken_as_it_is(
        self, world: World, folder: Path
    ) -> None:
        """Killed between the last byte and the name."""
        folder.mkdir(parents=True)
        (folder / "model.safetensors.partial").write_bytes(b"w" * 5000)
        world.host.cloud.put_object(f"{PREFIX}/model.safetensors", b"never asked for")
        ensure(world, folder)
        assert contents(folder) == WEIGHTS

    def test_a_partial_file_of_something_else_is_thrown_away(
        self, world: World, folder: Path
    ) -> None:
        """Its hash comes out wrong, so it begins anew."""
        folder.mkdir(parents=True)
        (folder / "model.safetensors.partial").write_bytes(b"x" * 3000)
        ensure(world, folder)
        assert contents(folder) == WEIGHTS

    def test_what_was_hashed_is_not_hashed_again(
        self, world: World, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Reading 14 GB at every apply would cost minutes."""
        ensure(world, folder)
        hashed: list[Path] = []
        monkeypatch.setattr(weight_files, "sha256_of", hashed.append)
        ensure(world, folder)
        assert hashed == []

    def test_a_bucket_that_holds_something_else_is_an_error(
        self, world: World, folder: Path
    ) -> None:
        """A file that is never what the manifest says does not get its name."""
        world.host.cloud.put_object(f"{PREFIX}/model.safetensors", b"x" * 5000)
        with pytest.raises(AgentError, match=r"can't get .*model\.safetensors") as caught:
            ensure(world, folder)
        assert "seed the weights again" in caught.value.hint
        assert not (folder / "model.safetensors").exists()
        assert not (folder / "manifest.json").exists()

    def test_the_manifest_may_not_lead_outside(self, world: World, folder: Path) -> None:
        """A path with .. is refused before anything is written."""
        files = {"../../etc/passwd": b"root"}
        world.host.cloud.put_object(f"{PREFIX}/manifest.json", weights_manifest(files))
        with pytest.raises(AgentError, match="names a path outside"):
            ensure(world, folder)

    def test_says_how_far_it_is(self, world: World, folder: Path) -> None:
        """The last word is: all of it."""
        said: list[tuple[int, int]] = []
        ensure(world, folder, progress=lambda done, total: said.append((done, total)))
        assert said[-1] == (5005, 5005)


class TestFullDisk:
    def test_is_known_before_the_first_byte(
        self, world: World, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Needs and has, and what to raise."""
        usage = shutil._ntuple_diskusage(100, 99, 1)
        monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
        with pytest.raises(AgentError, match=r"no room .* needs .* more, has") as caught:
            ensure(world, folder)
        assert "model_cache.size_gib" in caught.value.hint
        assert contents(folder) == {}

    def test_in_the_middle_leaves_no_half_file(self, world: World, folder: Path) -> None:
        """Somebody else filled the disk: the error says so, and no file has its name."""

        def full(_out: Any, _block: bytes) -> object:
            raise OSError(errno.ENOSPC, "No space left on device")

        with pytest.raises(AgentError, match="no room for the weights"):
            ensure(world, folder, write=full)
        left = contents(folder)  # at most what other threads had just opened
        assert all(name.endswith(".partial") and not held for name, held in left.items())
        assert not (folder / "manifest.json").exists()


class TestWithoutTheBucket:
    def test_a_whole_cache_is_enough(self, world: World, folder: Path) -> None:
        """A boot at 3 am while S3 is away: what is here is complete."""
        ensure(world, folder)
        cloud = denied_cloud()
        assert weights.ensure(cloud, folder, PREFIX, progress=lambda *_: None) == 0

    def test_denied_names_the_object_and_the_role(self, folder: Path) -> None:
        """AccessDenied on an empty cache: which object, and what to do."""
        with pytest.raises(
            CloudUnreachable, match=r"s3://llm-fleet-test/weights.*AccessDenied"
        ) as e:
            weights.ensure(denied_cloud(), folder, PREFIX, progress=lambda *_: None)
        assert "pulumi up" in e.value.hint


def test_a_stream_that_is_cut_is_tried_again(
    world: World, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection broke in the middle of a file: the next attempt goes on from there."""
    cut = [StreamingBody(io.BytesIO(b"w" * 1000), 5000)]
    opened = Cloud.open_object

    def flaky(cloud: Cloud, key: str, *, start: int = 0) -> Any:
        if key.endswith("model.safetensors") and cut:
            return cut.pop()
        return opened(cloud, key, start=start)

    monkeypatch.setattr(Cloud, "open_object", flaky)
    ensure(world, folder)
    assert contents(folder) == WEIGHTS


def denied_cloud() -> Cloud:
    """A cloud whose S3 says no."""
    cloud = Cloud(HostSettings.parse(host_json()))
    stubber = Stubber(cloud.client("s3"))
    stubber.add_client_error("get_object", "AccessDenied", "Access Denied", 403)
    stubber.activate()
    return cloud
