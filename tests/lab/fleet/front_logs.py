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
    _paths: set[str] = field(default_factory=set)
    ended: threading.Event = field(default_factory=threading.Event)

    def duplicated(self, ids: set[str]) -> int:
        """How many of *ids* were served more than once, or tried at more than one engine."""
        return sum(self.served[one] > 1 for one in ids)

    def follow(self, fleet: Fleet, host: str) -> None:
        """Read the logs of all fronts that come and go, until told to end."""
        inside, readers = fleet.world.host(host), []
        while not self.ended.wait(_AGAIN_S):
            found = inside.run("docker", "inspect", "-f", "{{.LogPath}}", "llm-fleet-front")
            path = found.stdout.strip()
            if found.returncode or path in self._paths:
                continue
            self._paths.add(path)
            reader = threading.Thread(target=self._tail, args=(inside.init_pid(), path))
            reader.start()
            readers.append(reader)
        for reader in readers:
            reader.join()

    def _tail(self, init_pid: int, path: str) -> None:
        """The file itself: `docker logs` ends with its container, and may leave out the last lines.

        What is open can be read to its end, also when it was taken away.
        """
        words = ["nsenter", "--target", str(init_pid), "--all", "--"]
        words += ["tail", "--lines", "+1", "--follow", path]
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
                with suppress(ValueError):  # cut by the end
                    self._read(str(json.loads(line)["log"]))

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
