"""What is there before a deploy: hosts, bucket, registry, load balancer; all asked at once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from provision.commands.gather import gather
from provision.connectors.protocols import Cloud, Shell
from provision.errors import FleetError, HostError
from provision.facts.host import HostFacts, parse
from provision.facts.inventory import Host, Inventory
from provision.planning import probe_key
from provision.planning.release import CURRENT, MANIFEST, parse_before, parse_current
from provision.planning.situation import Situation, Target
from provision.secret import Secret

_MOST_HOSTS_AT_ONCE = 64
_CLOUD_CALLS_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Seen:
    """Facts of the hosts that answered, and why the others did not."""

    facts: Mapping[str, HostFacts]
    unreachable: Mapping[str, str] = field(default_factory=dict)


def look_at(hosts: Iterable[Host], shell: Shell, *, thorough: bool = False) -> Seen:
    """Gather facts of all *hosts* side by side, one command each."""
    hosts = tuple(hosts)
    if not hosts:
        return Seen({})
    with ThreadPoolExecutor(min(len(hosts), _MOST_HOSTS_AT_ONCE)) as pool:
        answers = list(pool.map(lambda host: _facts(host, shell, thorough=thorough), hosts))
    pairs = list(zip(hosts, answers, strict=True))
    return Seen(
        facts={host.name: facts for host, facts in pairs if isinstance(facts, HostFacts)},
        unreachable={host.name: _why(e) for host, e in pairs if isinstance(e, HostError)},
    )


def standing(
    hosts: Inventory,
    *,
    cloud: Cloud,
    shell: Shell,
    fleet: Inventory,
    left_held: Sequence[str] = (),
) -> Situation:
    """What *hosts*, some or all of *fleet*, run now, and who is in traffic. Changes nothing.

    *left_held* are processes of the group that an unfinished rollout suspended. Raises CloudError
    when AWS does not answer.
    """
    with ThreadPoolExecutor(_CLOUD_CALLS_AT_ONCE) as pool:
        seen = pool.submit(look_at, hosts, shell)
        health = pool.submit(cloud.target_health)
        pointer = pool.submit(cloud.get_object, CURRENT)
        weight = pool.submit(cloud.primary_weight)
        suspended = pool.submit(cloud.suspended)
        return Situation(
            inventory=hosts,
            facts=seen.result().facts,
            unreachable=seen.result().unreachable,
            in_traffic=frozenset(one.host for one in health.result() if one.state == "healthy"),
            current=parse_current(pointer.result()),
            previous=parse_before(pointer.result()),
            partial=len(hosts) < len(fleet),
            fleet=frozenset(host.name for host in fleet),
            primary_weight=weight.result(),
            suspended=suspended.result() - set(left_held),
            still_held=tuple(name for name in left_held if name in suspended.result()),
        )


def situation(
    *,
    cloud: Cloud,
    shell: Shell,
    target: Target,
    fleet: Inventory,
    hosts: Inventory,
    spare_key: Secret,
    left_held: Sequence[str] = (),
) -> Situation:
    """Everything that a deploy of *target* to *hosts*, some or all of *fleet*, depends on.

    Changes nothing. *spare_key* becomes the probe key if there is none. Raises CloudError when
    AWS does not answer.
    """
    release = target.release
    with ThreadPoolExecutor(_CLOUD_CALLS_AT_ONCE) as pool:
        now = pool.submit(
            standing, hosts, cloud=cloud, shell=shell, fleet=fleet, left_held=left_held
        )
        published = pool.submit(cloud.get_object, f"releases/{release.id}/{MANIFEST}")
        weights = pool.submit(_weights_published, cloud, target.weights_folder)
        token = pool.submit(_has_hub_token, cloud, target)
        probe = pool.submit(_new_probe_key, cloud, spare_key)
        digests = pool.map(lambda image: cloud.image_digest(image.tag), target.images)
        return replace(
            now.result(),
            published=published.result() == release.files[MANIFEST],
            weights_published=weights.result(),
            mirrored={
                image.target: digest is not None
                for image, digest in zip(target.images, digests, strict=True)
            },
            hub_token=token.result(),
            new_probe_key=probe.result(),
        )


def _facts(host: Host, shell: Shell, *, thorough: bool) -> HostFacts | HostError:
    try:
        return parse(shell.run(host, gather(thorough=thorough)).stdout)
    except HostError as error:
        return error
    except FleetError as error:  # an answer that is no facts document
        return HostError(host.name, error.message, hint=error.hint)


def _why(error: HostError) -> str:
    return error.message.removeprefix(f"{error.host}: ")


def _weights_published(cloud: Cloud, folder: str) -> bool:
    """Whether the bucket has the weights: a manifest, and every file that it names."""
    text = cloud.get_object(f"{folder}/manifest.json")
    if text is None:
        return False
    wanted = {f"{folder}/{path}" for path in json.loads(text)["files"]}
    return wanted <= set(cloud.list_objects(f"{folder}/"))


def _has_hub_token(cloud: Cloud, target: Target) -> bool:
    if target.gated is False:
        return False  # nobody will ask for it
    return cloud.get_secret(cloud.outputs().hub_token_secret) is not None


def _new_probe_key(cloud: Cloud, spare: Secret) -> Secret | None:
    """The probe key that the fronts must learn, None when they know the one there is."""
    key = cloud.get_secret(cloud.outputs().probe_key_secret)
    known = cloud.get_secret(cloud.outputs().client_keys_secret)
    if key and probe_key.accepts(known.reveal() if known else None, key.reveal()):
        return None
    return key or spare
