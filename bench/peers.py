"""One deploy by us, by pyinfra and by Ansible: same hosts, same machine, same work, same run.

python -m bench.peers            (as root)
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.floor import bare_ssh
from bench.hosts import Fleet, fleet_of
from bench.measure import ROOT, Taken, table, verdict, whole_process
from bench.scale import RELEASES, ours

HOSTS = 8
RUNS = 3
ENOUGH_S = 15.0
WORK = ROOT / "bench/work"
PEERS = Path("~/.cache/llm-fleet/peers").expanduser()
WANTED = ("ansible-core==2.19.*", "pyinfra==3.10.*")
# What root's shell does before each command: nothing, or as much as pyenv, conda and nvm do.
START_UP = {
    "empty start-up file": "",
    "start-up file of 0.2 s": "for ((i = 0; i < 110000; i++)); do :; done\n",
}
GOALS = {"pyinfra": (8.0, 10.0), "Ansible": (30.0, 40.0)}  # first application, nothing to do


@dataclass(frozen=True, slots=True)
class Contender:
    """A tool: one whole process of it, and what it leaves on hosts."""

    name: str
    deploy: Callable[[], Taken]
    leaves: str

    def measure(self, fleet: Fleet) -> tuple[float, float]:
        """Seconds of a first application and of one that finds nothing to do."""

        def first() -> Taken:
            fleet.clean(self.leaves)
            return self.deploy()

        return _seconds(first), _seconds(self.deploy)


def main() -> None:
    """Print a table for hosts that begin a command at once, and one for hosts that don't."""
    install_peers()
    with fleet_of(HOSTS) as fleet:
        contenders = (
            Contender("llm-fleet", lambda: ours(fleet), RELEASES),
            Contender("pyinfra", _pyinfra(fleet), "/opt/bench-pyinfra"),
            Contender("Ansible", _ansible(fleet), "/opt/bench-ansible"),
        )
        try:
            for condition, text in START_UP.items():
                fleet.start_up_file(text)
                mine, *theirs = (one.measure(fleet) for one in contenders)
                floor = _seconds(lambda: bare_ssh(fleet))
                tools = dict(zip(GOALS, theirs, strict=True))
                print(_table(condition, mine, tools, floor), flush=True)
        finally:
            _close_ansible_connections(fleet)


def install_peers() -> None:
    """Both tools, in a virtual environment of their own that later runs find again."""
    if (PEERS / "bin/pyinfra").exists() and (PEERS / "bin/ansible-playbook").exists():
        return
    print(f"installing {' and '.join(WANTED)} into {PEERS}", file=sys.stderr)
    whole_process(sys.executable, "-m", "venv", PEERS)
    whole_process(PEERS / "bin/pip", "install", "--quiet", *WANTED)


def _seconds(deploy: Callable[[], Taken]) -> float:
    """The median of three runs, or the first when it took so long that its noise is small."""
    seconds = [deploy().seconds]
    while len(seconds) < RUNS and seconds[0] < ENOUGH_S:
        seconds.append(deploy().seconds)
    return statistics.median(seconds)


def _table(
    condition: str,
    mine: tuple[float, float],
    theirs: Mapping[str, tuple[float, float]],
    floor: float,
) -> str:
    heads = (condition, "first", "times", "goal", "nothing to do", "times", "goal", "kept")
    rows = [("llm-fleet", f"{mine[0]:.2f} s", "", "", f"{mine[1]:.2f} s", "", "", "")]
    rows += [_row(name, seconds, mine) for name, seconds in theirs.items()]
    bare = (f"{floor:.2f} s", f"{floor / mine[0]:.1f}x", "", f"{floor:.2f} s")
    rows.append(("ssh HOST true", *bare, f"{floor / mine[1]:.1f}x", "", ""))
    return table(heads, rows) + "\n"


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
        "interpreter_python = /usr/bin/python3\n"
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
            ["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "any"], capture_output=True
        )
    shutil.rmtree(sockets, ignore_errors=True)


if __name__ == "__main__":
    main()
