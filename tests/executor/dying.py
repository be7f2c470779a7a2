"""A process that works under the lock of a bucket behind HTTP, and is killed in the middle.

``python -m tests.executor.dying URL WHERE``: it prints each effect that it had.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace

from provision.config.environment import AwsSettings
from provision.connectors.aws import AwsCloud
from provision.connectors.clock import SystemClock
from provision.executor.lock_store import LockStore
from provision.executor.locked import locked
from provision.planning.journal import Errand, Who
from provision.testing import samples


def die() -> None:
    """As the kernel does it: nothing is cleaned up."""
    os.kill(os.getpid(), signal.SIGKILL)


def main(url: str, where: str) -> None:
    """Take the lock, do one step, die."""
    environment = replace(samples.environment(), aws=AwsSettings(endpoint_url=url))
    store = LockStore(AwsCloud(environment))
    who = Who("anna@laptop", store.cloud.identity())
    what = Errand("deploy", "deploy r-2")
    with locked(store, SystemClock(), who=who, what=what, token=str(os.getpid())) as work:
        if where == "with the lock":
            die()
        work.journal.around("start", "i-1", "start r-2", lambda: effect(where))
        work.journal.begin("start", "i-1", "wait")
        die()


def effect(where: str) -> None:
    """Something outside that can be seen."""
    if where == "before the effect":
        die()
    sys.stdout.write("started\n")
    sys.stdout.flush()
    if where == "after the effect":
        die()


if __name__ == "__main__":
    main(*sys.argv[1:])
