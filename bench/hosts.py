"""Light hosts for measurements: namespaces with an own root and sshd, and no Docker."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from provision.facts.inventory import Host
from rehearsal import leftovers
from rehearsal.host import HostProcess, Machine
from rehearsal.host_files import Identity
from rehearsal.network import Network
from rehearsal.processes import run

# Beside a rehearsal that stands: a bridge, a network and a folder of their own.
NETWORK = Network(cidr="10.98.0.0/16", bridge="lfb0")
STATE = Path("~/.cache/llm-fleet/bench").expanduser()
_FIRST_ADDRESS = 256
_BOOT_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Fleet:
    """Running hosts, root's key for them, and a folder for what the tools write."""

    hosts: tuple[Host, ...]
    key: Path
    scratch: Path
    machines: tuple[HostProcess, ...]

    def first(self, count: int) -> Fleet:
        """The same with the first *count* hosts only."""
        return Fleet(self.hosts[:count], self.key, self.scratch, self.machines[:count])

    def clean(self, *paths: str) -> None:
        """Delete *paths* on every host, so that the next application is a first one."""
        for machine in self.machines:
            machine.run("rm", "-rf", *paths)

    def start_up_file(self, text: str) -> None:
        """What root's shell runs first, for each command over SSH."""
        for machine in self.machines:
            machine.run("tee", "/root/.bashrc", stdin=text)

    def save(self) -> Path:
        """A file that tells ``work/ours.py`` about the hosts."""
        file = self.scratch / f"fleet-{len(self.hosts)}.json"
        said = {"key": str(self.key), "hosts": [asdict(host) for host in self.hosts]}
        file.write_text(json.dumps(said))
        return file


@contextlib.contextmanager
def fleet_of(count: int) -> Iterator[Fleet]:
    """*count* hosts, gone with everything that belongs to them at the end, also on Ctrl-C."""
    if os.geteuid() != 0:
        sys.exit("namespaces and mounts need root: run it with sudo")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    leftovers.sweep(STATE, NETWORK)
    try:
        yield _start(count)
    finally:
        leftovers.sweep(STATE, NETWORK)
        for name in leftovers.KEPT:
            (STATE / name).unlink(missing_ok=True)
        if left := leftovers.find(STATE, NETWORK):
            print("left behind:", *left, sep="\n  ", file=sys.stderr)


def _start(count: int) -> Fleet:
    scratch = STATE / "scratch"
    scratch.mkdir(parents=True)
    key = STATE / "ssh_key"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "bench", "-f", key)
    NETWORK.create(STATE)
    machine = Machine(STATE, NETWORK)
    machines = tuple(HostProcess(machine, f"h{number:02}") for number in range(1, count + 1))
    public = key.with_suffix(".pub").read_text()

    def boot(index: int) -> Host:
        host, address = machines[index], NETWORK.address(_FIRST_ADDRESS + index)
        host.create(
            Identity(
                name=f"bench-{host.key}",
                address=address,
                gateway=NETWORK.machine,
                cgroup=host.cgroup,
                authorized_key=public,
                docker=False,
            )
        )
        host.boot()
        made = sorted((host.folder / "upper/etc/ssh").glob("ssh_host_*.pub"))
        # The machine's own keys, deleted in the host, are device nodes in its layer.
        published = tuple(file.read_text() for file in made if file.is_file())
        return Host(f"bench-{host.key}", address, host_keys=published)

    with ThreadPoolExecutor(_BOOT_AT_ONCE) as pool:
        hosts = tuple(pool.map(boot, range(count)))
    return Fleet(hosts, key, scratch, machines)
