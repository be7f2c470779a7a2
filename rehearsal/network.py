"""The rehearsal's network: one bridge on this machine, and a namespace with a cable per host.

Nothing is routed to the outside. The bridge carries the addresses of everything that AWS would
run: API and repositories (.0.1), load balancer (.0.2), registry (.0.3), instance metadata.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
from dataclasses import dataclass
from pathlib import Path

from rehearsal.processes import run, succeeds

METADATA_ADDRESS = "169.254.169.254"
NAMESPACES = Path("/run/netns")


@dataclass(frozen=True, slots=True)
class Network:
    """A bridge with the network *cidr*; every name that it makes begins with *bridge*'s prefix."""

    cidr: str = "10.97.0.0/16"
    bridge: str = "lf0"

    @property
    def machine(self) -> str:
        """Address of this machine's side: AWS API, hub, package repository."""
        return self.address(1)

    @property
    def load_balancer(self) -> str:
        """Where clients go."""
        return self.address(2)

    @property
    def registry(self) -> str:
        """Where images live."""
        return self.address(3)

    def address(self, number: int) -> str:
        """The network's *number*-th address."""
        return str(ipaddress.ip_network(self.cidr)[number])

    @property
    def _prefix(self) -> str:
        return self.cidr.partition("/")[2]

    def create(self, owner: Path) -> None:
        """Make the bridge for the rehearsal in the folder *owner*, unless it stands already."""
        if self.owner() is None:
            run("ip", "link", "add", self.bridge, "type", "bridge")
            run("ip", "link", "set", self.bridge, "alias", owner)
        for number in (1, 2, 3):
            self._give(f"{self.address(number)}/{self._prefix}")
        self._give(f"{METADATA_ADDRESS}/32")
        run("ip", "link", "set", self.bridge, "up")
        if not succeeds("iptables", "-C", *self._rule()):
            run("iptables", "-I", "FORWARD", "1", *self._rule()[1:])

    def remove(self) -> None:
        """Take away every namespace, cable, rule and the bridge itself."""
        for namespace in self.namespaces():
            run("ip", "netns", "delete", namespace, check=False)
        for link in self.links():
            run("ip", "link", "delete", link, check=False)
        while succeeds("iptables", "-C", *self._rule()):
            run("iptables", "-D", *self._rule())
        _tidy_namespace_folder()

    def owner(self) -> str | None:
        """The folder of the rehearsal that the bridge belongs to; None without a bridge."""
        shown = run("ip", "-json", "link", "show", "dev", self.bridge, check=False).strip()
        return str(json.loads(shown)[0].get("ifalias", "")) if shown else None

    def add_host(self, key: str, address: str) -> None:
        """A namespace ``bridge-key`` with *address* on its ``eth0``. *key*: at most 10 letters."""
        namespace, cable = self.namespace(key), self.cable(key)
        run("ip", "netns", "add", namespace)
        run("ip", "link", "add", cable, "type", "veth", "peer", "eth0", "netns", namespace)
        run("ip", "link", "set", cable, "master", self.bridge, "up")
        inside = ("ip", "-n", namespace)
        run(*inside, "link", "set", "lo", "up")
        run(*inside, "address", "add", f"{address}/{self._prefix}", "dev", "eth0")
        # The same address always has the same hardware address: neighbours remember it for
        # half a minute, and a host that reboots must be reachable at once.
        octets = ipaddress.ip_address(address).packed.hex(":")
        run(*inside, "link", "set", "eth0", "address", f"02:00:{octets}", "up")
        run(*inside, "route", "add", "default", "via", self.machine)

    def remove_host(self, key: str) -> None:
        """Take away a host's cable and namespace; what is not there is fine."""
        run("ip", "link", "delete", self.cable(key), check=False)
        run("ip", "netns", "delete", self.namespace(key), check=False)

    def cut(self, key: str) -> None:
        """Drop all that reaches the host, without a word to the sender."""
        run(*self._input(key), "-I", "INPUT", "-i", "eth0", "-j", "DROP")

    def heal(self, key: str) -> None:
        """Undo :meth:`cut`, however often it was cut."""
        while succeeds(*self._input(key), "-D", "INPUT", "-i", "eth0", "-j", "DROP"):
            pass

    def namespace(self, key: str) -> str:
        """Name of the host's network namespace."""
        return f"{self.bridge}-{key}"

    def cable(self, key: str) -> str:
        """Name of the host's cable on this machine (a link name holds 15 letters)."""
        return f"{self.bridge}.{key}"[:15]

    def namespaces(self) -> tuple[str, ...]:
        """Namespaces of this network's hosts that exist now."""
        names = (entry.name for entry in NAMESPACES.glob(f"{self.bridge}-*"))
        return tuple(sorted(names))

    def links(self) -> tuple[str, ...]:
        """The bridge and its cables that exist now."""
        shown = json.loads(run("ip", "-json", "link", "show"))
        names = (str(link["ifname"]) for link in shown)
        return tuple(n for n in names if n == self.bridge or n.startswith(f"{self.bridge}."))

    def rule_stands(self) -> bool:
        """Whether the forwarding rule is in place."""
        return succeeds("iptables", "-C", *self._rule())

    def _give(self, address: str) -> None:
        run("ip", "address", "replace", address, "dev", self.bridge)

    def _rule(self) -> tuple[str, ...]:
        # Docker on this machine sets FORWARD to DROP, and bridged traffic between hosts dies.
        return ("FORWARD", "-i", self.bridge, "-o", self.bridge, "-j", "ACCEPT")

    def _input(self, key: str) -> tuple[str, ...]:
        return ("nsenter", f"--net={NAMESPACES / self.namespace(key)}", "iptables")


def _tidy_namespace_folder() -> None:
    # `ip netns add` mounts this folder on itself and never takes the mount back.
    if NAMESPACES.is_dir() and not any(NAMESPACES.iterdir()):
        run("umount", NAMESPACES, check=False)
        with contextlib.suppress(OSError):
            NAMESPACES.rmdir()
