"""What a rehearsal may leave on a machine, found by name: to sweep it, and to prove it gone."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from rehearsal.host import Machine, leftover_cgroups, remove_cgroups
from rehearsal.network import Network
from rehearsal.processes import MachineError, Process
from rehearsal.volumes import VolumeStore

PROCESSES = ("cloud.json", "registry.json")
KEPT = ("ssh_key", "ssh_key.pub")  # so that an operator's known files stay the same


def sweep(state: Path, network: Network) -> None:
    """End everything of a rehearsal, also of one that was killed; nothing there is fine."""
    for name in PROCESSES:
        if process := Process.load(state / name):
            process.end(grace_s=30 if name == "cloud.json" else 2)
        (state / name).unlink(missing_ok=True)
    for pid in _processes(state):
        with contextlib.suppress(MachineError):  # gone in the meantime
            Process.of(pid).end()
    for host in Machine(state, network).hosts():
        host.remove()
    volumes = VolumeStore(state / "volumes")
    for volume in volumes.devices():
        volumes.release(volume)
    if network.owner() in (None, "", str(state)):
        network.remove()
        for group in leftover_cgroups(f"{network.bridge}-*"):
            remove_cgroups(group.name)
    for entry in state.iterdir() if state.exists() else ():
        if entry.name in KEPT:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def find(state: Path, network: Network) -> list[str]:
    """Everything of a rehearsal that is there now, a line each; empty when there is nothing."""
    found = _network(network) if network.owner() in (None, "", str(state)) else []
    found += [f"mount {line}" for line in _mounts(state)]
    found += [f"loop device {path}" for path in VolumeStore(state / "volumes").devices().values()]
    found += [f"process {pid} {words}" for pid, words in _processes(state).items()]
    kept = {*KEPT}
    entries = state.iterdir() if state.exists() else ()
    found += [f"file {entry}" for entry in sorted(entries) if entry.name not in kept]
    return found


def _network(network: Network) -> list[str]:
    found = [f"link {name}" for name in network.links()]
    found += [f"network namespace {name}" for name in network.namespaces()]
    found += ["forwarding rule in iptables"] if network.rule_stands() else []
    groups = leftover_cgroups(f"{network.bridge}-*")
    return found + [f"control group {path}" for path in groups]


def _mounts(state: Path) -> list[str]:
    lines = Path("/proc/self/mounts").read_text().splitlines()
    places = (line.split()[1].replace("\\040", " ") for line in lines)
    return [place for place in places if Path(place).is_relative_to(state)]


def _processes(state: Path) -> dict[int, str]:
    """The rehearsal's own processes for this state folder, by id, with their first words."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if any(word.startswith(f"{state}/") for word in words) and _ours(words):
            found[int(entry.name)] = " ".join(words[:4])
    return found


def _ours(words: list[str]) -> bool:
    modules = ("rehearsal.cloud", "rehearsal.host_init", "docker-registry", "function_runtime.py")
    return any(word.endswith(modules) for word in words)
