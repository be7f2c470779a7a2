"""What shall run, and what is there now: the two values that every plan for hosts begins with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from provision.facts.host import HostFacts
from provision.facts.inventory import Host, Inventory
from provision.planning.actions import ImageSpec
from provision.planning.disk import Disk
from provision.planning.plan import Premise
from provision.planning.release import Release
from provision.secret import Secret


@dataclass(frozen=True, slots=True)
class Target:
    """What shall run: a release, and the images and weights that it needs.

    ``gated`` None: nobody knows whether the Hub asks for a token. ``engines`` is how many of them
    a host runs, None where that does not matter.
    """

    release: Release
    images: tuple[ImageSpec, ...]
    repository: str
    revision: str
    weights_folder: str  # in the environment's bucket
    gated: bool | None = False
    chat: bool = True
    disk: Disk | None = None
    engines: int | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """What is there now.

    Attributes:
        inventory: the hosts to deploy to.
        facts: what each host said; a host without facts is in *unreachable* with the reason.
        in_traffic: hosts that the load balancer calls healthy.
        published: the release is in the bucket, whole.
        weights_published: the weights are in the bucket, whole.
        mirrored: image target -> the registry has it.
        current: the release that booting hosts take.
        previous: the one that they took before it.
        hub_token: the environment holds a token for the Hub.
        new_probe_key: the key to make known to the fronts, None when they have one already.
        partial: only some of the fleet's hosts were asked for.
        fleet: the names of all of the fleet's hosts, None when nobody looked.
        primary_weight: the share of the traffic that goes to our own hosts, 0 to 100; None is
            unknown.
        suspended: processes of the Auto Scaling group that people suspended.
        still_held: processes that an unfinished rollout suspended, and that are still so.
    """

    inventory: Inventory
    facts: Mapping[str, HostFacts]
    in_traffic: frozenset[str] = frozenset()
    unreachable: Mapping[str, str] = field(default_factory=dict)
    published: bool = False
    weights_published: bool = False
    mirrored: Mapping[str, bool] = field(default_factory=dict)
    current: str | None = None
    hub_token: bool = False
    new_probe_key: Secret | None = None
    partial: bool = False
    previous: str | None = None
    fleet: frozenset[str] | None = None
    primary_weight: int | None = None
    suspended: frozenset[str] = frozenset()
    still_held: tuple[str, ...] = ()

    @property
    def reachable(self) -> tuple[Host, ...]:
        """Hosts that can be worked on."""
        return tuple(host for host in self.inventory if host.name in self.facts)


def premise(situation: Situation) -> Premise:
    """What a Plan that was made of *situation* takes for granted."""
    return Premise(situation.fleet, situation.current or "", situation.primary_weight)


def served(name: str, release: str, situation: Situation) -> bool:
    """Whether *release* serves clients from the host now, with nothing left to do."""
    facts = situation.facts[name]
    agent = facts.agent or {}
    ready = facts.release == release and agent.get("ready_for") == release
    left_out = any(one.get("away") or one.get("out") for one in agent.get("replicas") or ())
    away = agent.get("maintenance") or left_out
    return ready and not away and name in situation.in_traffic


def serves(host: Host, situation: Situation) -> bool:
    """Whether clients get answers from the host now, or in the next moment.

    The agent knows first: a host that is ready and not in traffic yet will be; one that is not
    ready any more, or is marked as away, is still called healthy for some seconds, and will not be.
    """
    facts, agent = situation.facts[host.name], situation.facts[host.name].agent
    if facts.release is None:
        return False
    if agent is None:
        return host.name in situation.in_traffic
    return agent.get("state") == "ready" and not agent.get("maintenance")


def serving(situation: Situation) -> frozenset[str]:
    """Names of the hosts that serve.

    One of the fleet that nobody asked, or that can't be seen, does while it is called healthy; one
    that is gone is called so as well, for some seconds.
    """
    ready = frozenset(host.name for host in situation.reachable if serves(host, situation))
    unseen = situation.in_traffic - situation.facts.keys()
    return ready | (unseen if situation.fleet is None else unseen & situation.fleet)
