"""A bucket in which conditional writes can fail in every way, and the people who write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from provision.connectors.protocols import Written
from provision.errors import CloudError
from provision.executor.lock_store import LockStore, Taken
from provision.planning.intent import Intent, Kind
from provision.planning.journal import Errand, Who
from provision.planning.pace import Pace
from provision.testing import samples
from provision.testing.clock import FakeClock
from provision.testing.cloud import FakeCloud

ANNA = Who("anna@laptop", "arn:aws:iam::123456789012:user/anna")
BOB = Who("bob@desk", "arn:aws:iam::123456789012:user/bob")
DEPLOY = Errand("deploy", "deploy r-2", before=("r-1",), release="r-2")
ROLLOUT = replace(
    DEPLOY,
    intent=Intent(
        Kind.RELEASE,
        "mistral-7b",
        True,
        Pace(bake_s=5.0),
        {"i-1": "r-1", "i-2": None},
        "r-2",
        current="r-1",
        held=("Launch",),
    ),
)


Trouble = Callable[[str, Callable[[], Written]], Written]


class Killed(BaseException):
    """The process is gone: nothing of it happens any more."""


class Laptop(FakeClock):
    """A machine whose wall clock is nobody's business: whoever reads it fails the test."""

    def now(self) -> float:
        raise AssertionError("the lock goes by the server's clock")


class Bucket(FakeCloud):
    """S3 whose conditional writes go through *trouble* first.

    *trouble* gets the key and how to write, so that it can write, or not, and answer, or not.
    """

    def __init__(self) -> None:
        super().__init__(samples.outputs())
        self.trouble: Trouble | None = None

    def put_if(self, key: str, data: bytes, *, etag: str | None) -> Written:
        """Write, with whatever trouble there is."""

        def write() -> Written:
            return FakeCloud.put_if(self, key, data, etag=etag)

        return self.trouble(key, write) if self.trouble else write()


def away(_key: str, _write: Callable[[], Written]) -> Written:
    """S3 does not answer."""
    raise CloudError("s3:put_object on s3://b/k failed: 503 SlowDown", hint="wait")


def answer_lost(_key: str, write: Callable[[], Written]) -> Written:
    """The write arrives, the answer does not."""
    write()
    raise CloudError("s3:put_object on s3://b/k failed: read timed out")


def once(how: Trouble, bucket: Bucket) -> None:
    """The next write gets this trouble, those after it none."""

    def trouble(key: str, write: Callable[[], Written]) -> Written:
        bucket.trouble = None
        return how(key, write)

    bucket.trouble = trouble


def take(
    bucket: Bucket,
    who: Who = ANNA,
    *,
    token: str = "a1",
    at: int | None = None,
    what: Errand = DEPLOY,
) -> Taken:
    """Take the lock of *bucket*."""
    return LockStore(bucket).take(who=who, what=what, token=token, planned_at=at)
