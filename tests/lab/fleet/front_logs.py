"""Every line that the fronts wrote, also of those that a rollout took away."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.lab.fleet.standing import Fleet

_AGAIN_S = 0.5
_SETTLE_S = 1.0


@dataclass
class FrontLogs:
    """How often each request came to an engine, by the request's id."""

    served: Counter[str] = field(default_factory=Counter)
    _containers: set[str] = field(default_factory=set)
    ended: threading.Event = field(default_factory=threading.Event)

    def duplicated(self, ids: set[str]) -> int:
        """How many of *ids* were served more than once, or tried at more than one engine."""
        return sum(self.served[one] > 1 for one in ids)

    def follow(self, fleet: Fleet, host: str) -> None:
        """Read the logs of one front after the other, until told to end."""
        inside = fleet.world.host(host)
        while not self.ended.wait(_AGAIN_S):
            found = inside.run("docker", "inspect", "-f", "{{.Id}}", "llm-fleet-front")
            container = found.stdout.strip()
            if found.returncode or container in self._containers:
                continue
            self._containers.add(container)
            enter = ["nsenter", "--target", str(inside.init_pid()), "--all", "--"]
            words = [*enter, "docker", "logs", "--follow", container]
            with subprocess.Popen(
                words,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                process_group=0,
            ) as process:
                stop = threading.Thread(target=self._stop, args=(process,), daemon=True)
                stop.start()
                assert process.stdout is not None
                for line in process.stdout:
                    self._read(line)

    def _stop(self, process: subprocess.Popen[str]) -> None:
        self.ended.wait()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # nsenter leaves its child behind otherwise

    def _read(self, line: str) -> None:
        if line.startswith("{"):
            said = json.loads(line)
            engines = [one for one in str(said["engine"]).split(",") if one.strip(" -")]
            self.served[said["id"]] += len(engines)


@contextmanager
def front_logs(fleet: Fleet) -> Iterator[FrontLogs]:
    """The logs of all fronts that there are, and of those that come on the same hosts."""
    logs = FrontLogs()
    threads = [
        threading.Thread(target=logs.follow, args=(fleet, host)) for host in fleet.world.hosts()
    ]
    for thread in threads:
        thread.start()
    try:
        yield logs
    finally:
        logs.ended.wait(_SETTLE_S)
        logs.ended.set()
        for thread in threads:
            thread.join()
