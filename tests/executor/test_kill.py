"""``kill -9`` of a real process that holds the lock, over HTTP."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.connectors.aws import AwsCloud
from provision.errors import LockHeld
from provision.executor.lock_store import LockStore
from provision.planning.journal import Ending, Errand, Who
from provision.planning.lock import LOCK
from tests.connectors.bucket_server import BucketServer, serving

ROOT = Path(__file__).resolve().parent.parent.parent
BOB = Who("bob@desk", "arn:aws:iam::123456789012:user/bob")


@pytest.fixture(scope="module")
def server() -> Iterator[BucketServer]:
    with serving() as server:
        yield server


@pytest.mark.parametrize(
    ("where", "effects", "entries"),
    [
        ("with the lock", "", {}),
        ("before the effect", "", {"start r-2": False}),
        ("after the effect", "started\n", {"start r-2": False}),
        ("after the entry", "started\n", {"start r-2": True, "wait": False}),
    ],
)
def test_what_is_left_of_it(
    server: BucketServer, where: str, effects: str, entries: dict[str, bool]
) -> None:
    """Every effect has its entry; the lock is held for a minute of the server's, then free."""
    server.fill()
    died = subprocess.run(
        [sys.executable, "-m", "tests.executor.dying", server.url, where],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (died.returncode, died.stdout) == (-signal.SIGKILL, effects), died.stderr

    store = LockStore(AwsCloud(server.environment))
    what = Errand("deploy", "deploy r-2")
    with pytest.raises(LockHeld, match=r"anna@laptop \(user/moto\) works on test"):
        store.take(who=BOB, what=what, token="b1")
    server.age(LOCK, 61)
    assert store.take(who=BOB, what=what, token="b2").lock.epoch == 2
    mine, dead = store.history(10)
    assert (mine.ending, dead.ending, dead.closed_by) == (
        None,
        Ending.DIED,
        "bob@desk (user/bob)",
    )
    assert {entry.step: entry.ended is not None for entry in dead.entries} == entries
