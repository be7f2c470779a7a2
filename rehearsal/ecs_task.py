"""A task on Fargate as the rehearsal has it: a light host whose containers are processes.

Each has an address, a root and a loopback of its own. An image can't be pulled or built on here as
on AWS (its packages come from the internet), so what it would run is taken from this machine: the
same program as in the image, its packages from the rehearsal's virtual environment.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from provision.render.gateway_image import PROGRAM, gateway_bundle
from rehearsal import gateway
from rehearsal.ecs_rules import Container
from rehearsal.host import HostProcess
from rehearsal.host_files import Identity
from rehearsal.processes import MachineError, Process, spawn

GATEWAY = "gateway"  # the container whose image has an entry point of its own
PATH = f"{gateway.FOLDER}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(slots=True)
class Task:
    """One task; *variables* are what Fargate gives to every container."""

    host: HostProcess
    address: str
    resolver: str
    containers: tuple[Container, ...]
    variables: Mapping[str, str]
    wanted: Callable[[], bool]
    processes: dict[str, Process] = field(default_factory=dict)

    def start(self) -> None:
        """Start its containers one after the other. Raises MachineError when one does not come."""
        self.host.create(
            Identity(
                name=self.host.key,
                address=self.address,
                gateway=self.resolver,
                cgroup=self.host.cgroup,
                authorized_key="",
                docker=False,
            )
        )
        self.host.boot()
        self._place(PROGRAM, gateway_bundle())
        for container in self.containers:
            self.processes[container.name] = spawn(
                *self._inside(container, self._command(container)), log=self._log(container)
            )
            if container.check:
                self._wait_healthy(container)

    def ended(self) -> str:
        """Why it can't go on: the container that ended, with its last words; "" while it runs."""
        for container in self.containers:
            process = self.processes.get(container.name)
            if process is not None and not process.alive():
                return f"{container.name} ended: {self._last_words(container)}"
        return ""

    def stop(self) -> None:
        """Ask its containers to finish, in reverse order, and take it away."""
        for container in reversed(self.containers):
            process = self.processes.get(container.name)
            if process is None:
                continue
            for pid in _children(process):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
            until = time.monotonic() + container.stop_s
            while process.alive() and time.monotonic() < until:
                time.sleep(0.1)
        self.host.remove()

    def _wait_healthy(self, container: Container) -> None:
        until = time.monotonic() + container.check_for_s
        words = self._inside(container, container.check)
        while self.host.run(*words[words.index("env") :]).returncode:
            if why := self.ended():
                raise MachineError(why)
            if time.monotonic() > until or not self.wanted():
                raise MachineError(
                    f"{container.name} is not healthy: {self._last_words(container)}"
                )
            time.sleep(min(2.0, container.check_every_s))

    def _command(self, container: Container) -> tuple[str, ...]:
        if container.command:
            return container.command
        if container.name == GATEWAY:
            return ("python3", "-m", "provision.gateway")
        raise MachineError(f"nobody knows what the image of {container.name} runs")

    def _inside(self, container: Container, words: tuple[str, ...]) -> tuple[str, ...]:
        variables = {
            "PATH": PATH,
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "PYTHONPATH": PROGRAM,
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            **self.variables,
            **container.variables,
        }
        given = [f"{name}={value}" for name, value in variables.items()]
        enter = ("nsenter", "--target", str(self.host.init_pid()), "--all", "--")
        return (*enter, "env", "-i", *given, *words)

    def _place(self, path: str, data: bytes) -> None:
        place = Path(f"/proc/{self.host.init_pid()}/root{path}")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)

    def _log(self, container: Container) -> Path:
        return self.host.folder / f"{container.name}.log"

    def _last_words(self, container: Container) -> str:
        with suppress(OSError):
            return self._log(container).read_text(errors="replace")[-600:].strip()
        return "it said nothing"


def _children(process: Process) -> list[int]:
    """nsenter waits for what it entered with, and passes no signal on."""
    with suppress(OSError):
        text = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
        return [int(word) for word in text.split()]
    return []
