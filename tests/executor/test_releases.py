"""What was published, read from the bucket."""

from __future__ import annotations

import json

import pytest

from provision.errors import UsageError
from provision.executor.releases import Releases, Row
from provision.planning.release import CURRENT, assemble, current_document
from provision.testing import samples
from provision.testing.cloud import FakeCloud

FACTS = {
    "images": {"engine": f"{samples.REPOSITORY_URL}:engine-1"},
    "model_revision": "abcdef",
    "weights_prefix": "weights/mistral-7b/abcdef",
    "replicas": 4,
    "tensor_parallel_size": 2,
}
WEIGHTS = b'{"files": {"a": {"sha256": "1", "size": 40}, "b": {"sha256": "2", "size": 2}}}'
ONE = assemble("mistral-7b", {"engine.yaml": "a: 1\n", "agent.json": '{"chat": true}'}, FACTS)
TWO = assemble("base", {"engine.yaml": "a: 2\n", "agent.json": "{}", "host.pyz": b"\xff"}, FACTS)


@pytest.fixture
def cloud() -> FakeCloud:
    """Two releases, all that they need, the second one current."""
    objects = {
        f"releases/{release.id}/{path}": content
        for release in (ONE, TWO)
        for path, content in release.files.items()
    }
    objects[CURRENT] = current_document(TWO.id, before=ONE.id)
    objects["weights/mistral-7b/abcdef/manifest.json"] = WEIGHTS
    return FakeCloud(samples.outputs(), objects=objects, images={"engine-1": "sha256:1"})


def test_the_current_one_comes_first(cloud: FakeCloud) -> None:
    """Then the one before it."""
    assert Releases(cloud).rows() == (
        Row(TWO.id, "base", "abcdef", "engine-1", current=True, before=False),
        Row(ONE.id, "mistral-7b", "abcdef", "engine-1", current=False, before=True),
    )


def test_one_that_was_not_published_whole_is_none(cloud: FakeCloud) -> None:
    """Its manifest comes last, so without it nobody may count on the rest."""
    del cloud.objects[f"releases/{ONE.id}/release.json"]
    assert Releases(cloud).ids() == (TWO.id,)


def test_everything_that_it_needs_is_there(cloud: FakeCloud) -> None:
    """And how it is asked, and what it takes."""
    one, two = (Releases(cloud).published(release.id) for release in (ONE, TWO))
    assert (one.missing, one.chat, one.model) == ((), True, "mistral-7b")
    assert (two.missing, two.chat) == ((), False)
    assert (one.engines, one.gpus_each, one.weights_bytes) == (4, 2, 42)


def test_what_is_missing_is_named(cloud: FakeCloud) -> None:
    """Files, images, weights: all at once."""
    del cloud.objects[f"releases/{ONE.id}/engine.yaml"]
    del cloud.objects["weights/mistral-7b/abcdef/manifest.json"]
    cloud.images.clear()
    assert Releases(cloud).published(ONE.id).missing == (
        "engine.yaml of the release are not in the bucket",
        f"the image {samples.REPOSITORY_URL}:engine-1 is not in the registry",
        "the weights weights/mistral-7b/abcdef are not in the bucket",
    )


def test_an_unknown_release(cloud: FakeCloud) -> None:
    """With those that there are."""
    with pytest.raises(UsageError) as unknown:
        Releases(cloud).published("r-ffffffffffff")
    assert unknown.value.hint == f"there are: {', '.join(sorted((ONE.id, TWO.id)))}"


@pytest.mark.parametrize(
    "pointer", [None, b"{}", b"{", json.dumps({"release": TWO.id}).encode(), current_document("r")]
)
def test_nothing_before_it(cloud: FakeCloud, pointer: bytes | None) -> None:
    """A first release, or a pointer of an older version."""
    if pointer is None:
        del cloud.objects[CURRENT]
    else:
        cloud.objects[CURRENT] = pointer
    with pytest.raises(UsageError, match="no release was current before"):
        Releases(cloud).before()


def test_its_text_files(cloud: FakeCloud) -> None:
    """The host program is no text."""
    assert Releases(cloud).files(TWO.id) == {"engine.yaml": "a: 2\n", "agent.json": "{}"}
