"""Benchmarks beside the environment's file: a copy of what its bucket keeps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from playbooks import kept
from playbooks.session import Session
from provision.errors import UsageError
from provision.planning.benchmark import from_json, to_json
from tests.planning.cost.test_capacity import KEPT
from tests.playbooks.conftest import Fleet
from tests.playbooks.test_look import measured, serve


def test_what_was_measured_is_read_as_it_was_kept() -> None:
    """Every mix of a release, with all of its levels."""
    other = replace(KEPT, input_tokens=1024, output_tokens=128)
    document = to_json(other, before=to_json(KEPT, before=None))
    assert from_json(document) == (KEPT, other)


def test_results_are_found_by_any_name_of_the_model(tmp_path: Path) -> None:
    """Under the name in the catalogue or the one that clients write; other models are not."""
    named = replace(KEPT, model="chat")
    for one in (KEPT, named, replace(KEPT, model="qwen3-8b")):
        kept.write(tmp_path, "prod", one.key, to_json(one, before=None))
    assert kept.read(tmp_path, "prod", ["mistral-7b", "chat"]) == {"g5.xlarge": (KEPT, named)}
    assert kept.read(tmp_path, "dev", ["mistral-7b"]) == {}


def test_all_of_a_bucket_is_copied(tmp_path: Path, fleet: Fleet) -> None:
    """And replaced by what it holds now."""
    fleet.cloud.objects[KEPT.key] = to_json(KEPT, before=None)
    fleet.cloud.objects["releases/r-1/engine.yaml"] = b"model: x"
    kept.write(tmp_path, "test", KEPT.key, b"before")
    assert kept.fetch(tmp_path, "test", fleet.cloud) == 1
    assert kept.read(tmp_path, "test", ["mistral-7b"]) == {"g5.xlarge": (KEPT,)}


def test_an_empty_bucket(tmp_path: Path, fleet: Fleet) -> None:
    """Nothing was measured yet."""
    assert kept.fetch(tmp_path, "test", fleet.cloud) == 0


def test_a_file_that_is_none_of_ours(tmp_path: Path) -> None:
    """Its path, and what to do."""
    path = kept.write(tmp_path, "prod", KEPT.key, b"[]")
    with pytest.raises(UsageError, match=r"0123456789abcdef.json: it is not what") as failed:
        kept.read(tmp_path, "prod", ["mistral-7b"])
    assert "delete it" in failed.value.hint
    assert path.exists()


def test_a_benchmark_leaves_its_copy(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the environment's file, the very object of the bucket; a second mix joins it."""

    def opened(env: str | None) -> Session:
        session = fleet.session()
        session.folder = tmp_path
        return session

    monkeypatch.setattr(Session, "open", opened)
    serve(fleet)
    fleet.shell.prepare("python3 - --container *", measured({1: 100, 2: 190, 4: 195}))
    key = "benchmarks/mistral-7b/g5.xlarge/r-1.json"
    for words in (("benchmark",), ("benchmark", "--input-tokens", "700")):
        said = fleet.run(*words)
        assert said.code == 0
        assert f"kept for `fab cost.*`: {kept.place(tmp_path, 'test', key)}" in said.err
    assert kept.place(tmp_path, "test", key).read_bytes() == fleet.cloud.objects[key]
    mixes = [one.mix for one in kept.read(tmp_path, "test", ["mistral-7b"])["g5.xlarge"]]
    assert mixes == ["1024/128", "700/128"]
