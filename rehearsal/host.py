"""A host of the rehearsal: a process tree with its own network, root, sshd and Docker daemon."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from rehearsal import host_root
from rehearsal.host_files import Identity
from rehearsal.network import NAMESPACES, Network
from rehearsal.processes import ENVIRONMENT, MachineError, Process, spawn

CGROUPS = Path("/sys/fs/cgroup")
BOOT_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Machine:
    """Where hosts live: the state folder, the network, and what is bound into every host."""

    state: Path
    network: Network
    binds: tuple[Path, ...] = ()

    def hosts(self) -> tuple[HostProcess, ...]:
        """Every host that has a folder here, running or not."""
        folder = self.state / "hosts"
        keys = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
        return tuple(HostProcess(self, key) for key in keys)


@dataclass(frozen=True, slots=True)
class HostProcess:
    """One host; *key* (at most 10 letters) names its folder, namespace, cable and cgroup."""

    machine: Machine
    key: str

    @property
    def folder(self) -> Path:
        """Everything that the host keeps; gone after :meth:`remove`."""
        return self.machine.state / "hosts" / self.key

    @property
    def cgroup(self) -> str:
        """Parent of its containers' cgroups."""
        return f"{self.machine.network.bridge}-{self.key}"

    def create(self, who: Identity) -> None:
        """Write the host down; :meth:`boot` starts it."""
        self.folder.mkdir(parents=True)
        specification = {
            "who": asdict(who),
            "hide": str(self.machine.state),
            "binds": [str(path) for path in self.machine.binds],
        }
        (self.folder / "host.json").write_text(json.dumps(specification))

    def boot(self) -> None:
        """Start it, and return when its sshd and Docker daemon are up. Raises MachineError."""
        network, address = self.machine.network, self._specification()["who"]["address"]
        network.remove_host(self.key)
        network.add_host(self.key, address)
        reading, writing = os.pipe()
        process = spawn(
            *("nsenter", f"--net={NAMESPACES / network.namespace(self.key)}"),
            *("unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child=KILL"),
            *(sys.executable, "-m", "rehearsal.host_init"),
            *(self.folder / "host.json", str(writing)),
            log=self.folder / "console.log",
            descriptors=(writing,),
        )
        os.close(writing)
        process.save(self.folder / "process.json")
        try:
            self._wait_until_ready(reading)
        finally:
            os.close(reading)

    def running(self) -> bool:
        """Whether its process 1 lives."""
        process = self._process()
        return process is not None and process.alive()

    def ready(self) -> bool:
        """Whether its own root and /dev stand, so that disks can be shown."""
        try:
            return (self._root_from_outside() / host_root.DISKS).is_dir()
        except MachineError:
            return False

    def has_disk(self, by_id: str) -> bool:
        """Whether a disk is shown by that id."""
        return (self._root_from_outside() / host_root.DISKS / by_id).is_symlink()

    def kill(self) -> None:
        """Power off without warning; its disk stays. Returns when nothing of it runs."""
        if process := self._process():
            process.end()
        (self.folder / "process.json").unlink(missing_ok=True)
        _retry(lambda: self.machine.network.remove_host(self.key))
        remove_cgroups(self.cgroup)

    def reboot(self) -> None:
        """Power off and on again: same disk, same address."""
        self.kill()
        self.boot()

    def remove(self) -> None:
        """Kill it and delete its disk."""
        self.kill()
        if self.folder.exists():
            _retry(lambda: shutil.rmtree(self.folder))

    def attach(self, device: Path, by_id: str) -> None:
        """Show a block device inside the host, under its own name and its id."""
        root = self._root_from_outside()
        host_root.add_disk(root, device.stat().st_rdev, device.name, by_id)

    def detach(self, device: Path, by_id: str) -> None:
        """Take the block device away from the host's /dev (a mounted one stays mounted)."""
        if self.running():
            host_root.remove_disk(self._root_from_outside(), device.name, by_id)

    def run(self, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command inside, as root, without SSH: for faults and tests."""
        enter = ["nsenter", "--target", str(self.init_pid()), "--all", "--"]
        return subprocess.run(
            [*enter, *words], input=stdin, capture_output=True, text=True, env=ENVIRONMENT
        )

    def init_pid(self) -> int:
        """Id, on this machine, of the host's process 1. Raises MachineError when it is down."""
        process = self._process()
        children = ""
        if process is not None and process.alive():
            pid = process.pid
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        if not children.split():
            raise MachineError(f"host {self.key} is down")
        return int(children.split()[0])

    def _root_from_outside(self) -> Path:
        return Path(f"/proc/{self.init_pid()}/root")

    def _process(self) -> Process | None:
        return Process.load(self.folder / "process.json")

    def _specification(self) -> dict[str, dict[str, str]]:
        said: dict[str, dict[str, str]] = json.loads((self.folder / "host.json").read_text())
        return said

    def _wait_until_ready(self, reading: int) -> None:
        ready, _, _ = select.select([reading], [], [], BOOT_TIMEOUT_S)
        said = os.read(reading, 4096).decode() if ready else f"nothing in {BOOT_TIMEOUT_S:.0f} s"
        if said != "ready":
            console = (self.folder / "console.log").read_text()[-1500:]
            self.kill()
            raise MachineError(f"host {self.key} did not boot: {said}\n{console}")


def remove_cgroups(name: str) -> None:
    """Remove the control groups that Docker made below *name*, in every hierarchy."""
    for top in leftover_cgroups(name):
        for folder in [*sorted(top.rglob("*/"), reverse=True), top]:
            if folder.is_dir():
                _retry(folder.rmdir)


def leftover_cgroups(pattern: str) -> list[Path]:
    """Top folders of control groups whose name fits *pattern*."""
    return [
        path for path in [*CGROUPS.glob(pattern), *CGROUPS.glob(f"*/{pattern}")] if path.is_dir()
    ]


def _retry(action: Callable[[], object], *, seconds: float = 5.0) -> None:
    # The kernel takes namespaces, mounts and groups of a killed tree apart a moment later.
    deadline = time.monotonic() + seconds
    while True:
        try:
            action()
            return
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
