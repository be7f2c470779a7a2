"""What hosts cost before any tool does anything: one ``ssh HOST true`` each, all at once.

With the key exchange that Python's SSH libraries negotiate: the one that OpenSSH 9 prefers would
double the time.
"""

from __future__ import annotations

import shlex

from bench.hosts import Fleet
from bench.measure import Taken, whole_process


def bare_ssh(fleet: Fleet) -> Taken:
    """One OpenSSH client per host of *fleet*; its processor time is theirs together."""
    known = fleet.scratch / "known-to-openssh"
    known.write_text(
        "".join(f"{host.address} {key}" for host in fleet.hosts for key in host.host_keys)
    )
    options = ("KexAlgorithms=curve25519-sha256", f"UserKnownHostsFile={known}", "BatchMode=yes")
    words = ["ssh", "-F", "none", "-i", str(fleet.key), *(f"-o{option}" for option in options)]
    clients = [shlex.join([*words, f"root@{host.address}", "true"]) for host in fleet.hosts]
    started = "".join(f'{client} </dev/null & all="$all $!"\n' for client in clients)
    return whole_process("sh", "-c", f"{started}for one in $all; do wait $one || exit; done")
