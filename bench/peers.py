"""One deploy by us, by pyinfra and by Ansible: same hosts, same machine, same work, same run.

python -m bench.peers            (as root)
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.hosts import Fleet, fleet_of
from bench.measure import ROOT, Taken, median, table, verdict, whole_process
from bench.scale import RELEASES, ours

HOSTS = 8
WORK = ROOT / "bench/work"
PEERS = Path("~/.cache/llm-fleet/peers").expanduser()
WANTED = ("ansible-core==2.19.*", "pyinfra==3.10.*")
GOALS = {"pyinfra": (8.0, 10.0), "Ansible": (30.0, 40.0)}  # first application, nothing to do


@dataclass(frozen=True, slots=True)
class Contender:
    """A tool: one whole process of it, what it leaves on hosts, and how often it is measured."""

    name: str
    deploy: Callable[[], Taken]
    leaves: str
    runs: int

    def measure(self, fleet: Fleet) -> tuple[float, float]:
        """Seconds of a first application and of one that finds nothing to do."""

        def first() -> Taken:
            fleet.clean(self.leaves)
            return self.deploy()

        return median(first, self.runs).seconds, median(self.deploy, self.runs).seconds


def main() -> None:
    """Print the table."""
    install_peers()
    with fleet_of(HOSTS) as fleet:
        us, *peers = (
            Contender("llm-fleet", lambda: ours(fleet), RELEASES, 3),
            Contender("pyinfra", _pyinfra(fleet), "/opt/bench-pyinfra", 3),
            Contender("Ansible", _ansible(fleet), "/opt/bench-ansible", 1),
        )
        try:
            mine = us.measure(fleet)
            rows = [(us.name, f"{mine[0]:.2f} s", "", "", f"{mine[1]:.2f} s", "", "", "")]
            for peer in peers:
                rows.append(_row(peer.name, peer.measure(fleet), mine))
        finally:
            _close_ansible_connections(fleet)
    heads = ("", "first", "times", "goal", "nothing to do", "times", "goal", "kept")
    print(table(heads, rows))


def install_peers() -> None:
    """Both tools, in a virtual environment of their own that later runs find again."""
    if (PEERS / "bin/pyinfra").exists() and (PEERS / "bin/ansible-playbook").exists():
        return
    print(f"installing {' and '.join(WANTED)} into {PEERS}", file=sys.stderr)
    whole_process(sys.executable, "-m", "venv", PEERS)
    whole_process(PEERS / "bin/pip", "install", "--quiet", *WANTED)


def _row(name: str, theirs: tuple[float, float], mine: tuple[float, float]) -> tuple[str, ...]:
    cells, kept = [name], True
    for their_s, my_s, goal in zip(theirs, mine, GOALS[name], strict=True):
        cells += [f"{their_s:.1f} s", f"{their_s / my_s:.1f}x", f"{goal:.0f}x"]
        kept &= their_s / my_s >= goal
    return (*cells, verdict(kept))


def _pyinfra(fleet: Fleet) -> Callable[[], Taken]:
    """Its own way: keys of hosts that it never saw are accepted and remembered."""
    data = {
        "ssh_user": "root",
        "ssh_key": str(fleet.key),
        "ssh_known_hosts_file": str(fleet.scratch / "known-to-pyinfra"),
        "ssh_strict_host_key_checking": "accept-new",
    }
    (fleet.scratch / "known-to-pyinfra").touch()
    inventory = fleet.scratch / "inventory.py"
    inventory.write_text(f"hosts = {[(host.address, data) for host in fleet.hosts]!r}\n")
    words = (PEERS / "bin/pyinfra", "--yes", "--parallel", str(len(fleet.hosts)))
    return lambda: whole_process(*words, inventory, WORK / "pyinfra_deploy.py", folder=WORK)


def _ansible(fleet: Fleet) -> Callable[[], Taken]:
    """Pipelining on, a fork per host, facts and connections as it does by default."""
    inventory = fleet.scratch / "inventory.ini"
    inventory.write_text("".join(f"{host.address}\n" for host in fleet.hosts))
    settings = fleet.scratch / "ansible.cfg"
    settings.write_text(
        "[defaults]\n"
        f"inventory = {inventory}\nforks = {len(fleet.hosts)}\nhome = {fleet.scratch / 'ansible'}\n"
        f"remote_user = root\nprivate_key_file = {fleet.key}\n"
        "[ssh_connection]\n"
        f"pipelining = True\ncontrol_path_dir = {_sockets(fleet)}\n"
        "ssh_common_args = -o StrictHostKeyChecking=accept-new"
        f" -o UserKnownHostsFile={fleet.scratch / 'known-to-ansible'}\n"
    )
    environ = {
        "ANSIBLE_CONFIG": str(settings),
        "PATH": f"{PEERS / 'bin'}:{os.environ['PATH']}",
        "LC_ALL": "C.UTF-8",
    }
    playbook = PEERS / "bin/ansible-playbook"
    return lambda: whole_process(playbook, WORK / "ansible.yml", folder=WORK, environ=environ)


def _sockets(fleet: Fleet) -> Path:
    return fleet.scratch / "cp"


def _close_ansible_connections(fleet: Fleet) -> None:
    """It leaves an ssh process per host behind for a minute, for its next run."""
    sockets = _sockets(fleet)
    for socket in sockets.iterdir() if sockets.is_dir() else ():
        subprocess.run(
            ["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "-"], capture_output=True
        )
    shutil.rmtree(sockets, ignore_errors=True)


if __name__ == "__main__":
    main()
