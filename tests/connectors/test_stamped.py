"""Conditional writes and the server's clock, against moto's S3 over HTTP (which sends a Date)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from provision.connectors.aws import AwsCloud
from provision.errors import CloudError, Conflict
from provision.planning.lock import LOCK
from tests.connectors.bucket_server import BUCKET, BucketServer, serving


@pytest.fixture(scope="module")
def server() -> Iterator[BucketServer]:
    with serving() as server:
        yield server


@pytest.fixture
def cloud(server: BucketServer) -> AwsCloud:
    """An empty bucket."""
    server.fill()
    return AwsCloud(server.environment)


def test_only_the_first_makes_an_object(cloud: AwsCloud) -> None:
    """The second finds it there: Conflict, and what the first wrote stays."""
    cloud.put_if(LOCK, b"first", etag=None)
    with pytest.raises(Conflict, match="written by somebody else meanwhile"):
        cloud.put_if(LOCK, b"second", etag=None)
    assert cloud.get_object(LOCK) == b"first"


def test_only_the_version_that_was_seen_is_replaced(cloud: AwsCloud) -> None:
    """Each write gives the ETag for the next; an older one is a conflict."""
    first = cloud.put_if(LOCK, b"1", etag=None)
    second = cloud.put_if(LOCK, b"2", etag=first.etag)
    with pytest.raises(Conflict):
        cloud.put_if(LOCK, b"3", etag=first.etag)
    assert cloud.get_stamped(LOCK).etag == second.etag
    assert cloud.get_object(LOCK) == b"2"


def test_a_version_of_something_that_was_deleted(cloud: AwsCloud) -> None:
    """There is nothing to replace: a conflict, too, and no new object."""
    with pytest.raises(Conflict):
        cloud.put_if(LOCK, b"2", etag='"0123"')
    assert cloud.get_object(LOCK) is None


def test_all_times_are_the_servers(cloud: AwsCloud, server: BucketServer) -> None:
    """When it was written, when it was read; also when there is no object."""
    absent = cloud.get_stamped(LOCK)
    assert (absent.data, absent.etag, absent.written_at) == (None, None, None)
    written = cloud.put_if(LOCK, b"1", etag=None)
    hours_ago = server.age(LOCK, 3 * 3600)
    found = cloud.get_stamped(LOCK)
    assert found.written_at == hours_ago.timestamp()
    assert 0 <= found.read_at - absent.read_at < 60
    assert 0 <= written.at - absent.read_at < 60


def test_a_server_that_does_not_tell_the_time(
    cloud: AwsCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody guesses: an error that names the object and a likely cause."""
    events = cloud._aws.client("s3").meta.events

    def without_date(parsed: Any, **_: Any) -> None:
        parsed["ResponseMetadata"]["HTTPHeaders"].pop("date", None)

    events.register("after-call.s3", without_date)
    with pytest.raises(CloudError, match=f"s3://{BUCKET}/{LOCK} does not say when") as silent:
        cloud.get_stamped(LOCK)
    assert "proxy" in silent.value.hint


def test_who_asks(cloud: AwsCloud) -> None:
    """The ARN that AWS knows."""
    assert cloud.identity().startswith("arn:aws:sts::123456789012:")
