"""The hosts of an environment, and how to name some of them."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from dataclasses import dataclass

from provision.errors import UsageError


@dataclass(frozen=True, slots=True, order=True)
class Host:
    """One GPU host.

    ``name`` is the EC2 instance id; ``host_keys`` are the OpenSSH public key lines that the host
    itself published at boot (``ssh-ed25519 AAAA...``), empty when it has not yet.
    """

    name: str
    address: str
    zone: str = ""
    instance_type: str = ""
    host_keys: tuple[str, ...] = ()
    launched_at: str = ""  # ISO 8601, as EC2 says; "" unknown
    template: str = ""  # the launch template's version that it was launched from; "" unknown

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Inventory:
    """All hosts, in the order of their names.

    ``template`` is the launch template's version that the next host will be launched from, "" when
    that is unknown.
    """

    hosts: tuple[Host, ...]
    template: str = ""

    def __iter__(self) -> Iterator[Host]:
        return iter(self.hosts)

    def __len__(self) -> int:
        return len(self.hosts)

    def select(self, patterns: str) -> Inventory:
        """Hosts whose name or address matches one of the comma-separated shell *patterns*."""
        wanted = [pattern.strip() for pattern in patterns.split(",") if pattern.strip()]
        for pattern in wanted:
            if not any(_matches(host, pattern) for host in self.hosts):
                known = ", ".join(host.name for host in self.hosts) or "none"
                raise UsageError(f"no host matches {pattern!r}", hint=f"hosts are: {known}")
        chosen = tuple(h for h in self.hosts if any(_matches(h, p) for p in wanted))
        return Inventory(chosen, self.template)


def _matches(host: Host, pattern: str) -> bool:
    return fnmatch.fnmatch(host.name, pattern) or fnmatch.fnmatch(host.address, pattern)
