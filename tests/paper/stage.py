"""Paper fleets to begin with, and how a fleet must stand in the end."""

from __future__ import annotations

import functools
import json
from dataclasses import replace

from provision.config.environment import Environment
from provision.executor.target import target_of
from provision.planning import lock, probe_key
from provision.planning.journal import Run
from provision.planning.lock import LOCK
from provision.planning.release import CURRENT, MANIFEST, current_document
from provision.planning.rollout import HELD
from provision.planning.situation import Target
from provision.secret import Secret
from provision.testing import samples
from tests.paper.world import World

OLD = "r-000000000000"
_KEY = "sk-fleet-probe"


@functools.cache
def wanted(hosts: int = 2) -> Target:
    """What the environment describes: the new release. (Keys are limited for the whole fleet, so
    its size is a part of the release.)"""
    return target_of(_environment(hosts), repository_url=samples.REPOSITORY_URL)


def new(hosts: int = 2) -> str:
    """The new release's id."""
    return wanted(hosts).release.id


def fleet(count: int = 2, *, runs: str = OLD, before: str | None = None) -> World:
    """Hosts that serve *runs*, which is current, after *before*; both releases are published."""
    environment = _environment(count)
    target = wanted(count)
    world = World(environment)
    account = world.account
    account.objects[CURRENT] = current_document(runs, before=before)
    for release in {runs, before} - {None}:
        _publish(world, target, str(release))
    account.images = {image.tag: "sha256:1" for image in target.images}
    account.objects[f"{target.weights_folder}/manifest.json"] = b'{"files": {}}'
    known = probe_key.with_probe(None, _KEY, created="2027-01-15T08:00:00+00:00")
    account.secrets["llm-fleet/test/probe-key"] = Secret(_KEY)
    account.secrets["llm-fleet/test/client-keys"] = Secret(known)
    for host in samples.hosts(count):
        world.add(host, runs, kept=[before] if before else [])
    world.time.run(10.0)
    return world


def troubles(world: World, releases: set[str]) -> list[str]:
    """What is not as it must be in the end: one of *releases* everywhere, and all in traffic."""
    account = world.account
    found = []
    runs = {host.current for host in world.hosts.values()} | {account.current()}
    if len(runs) != 1 or not runs <= releases:
        said = {name: host.current for name, host in world.hosts.items()}
        found.append(f"hosts run {said}, current is {account.current()}")
    out = sorted(world.hosts.keys() - set(world.serving()))
    if out:
        found.append(f"out of traffic: {', '.join(out)}")
    marked = [name for name, host in world.hosts.items() if host.mark is not None]
    if marked:
        found.append(f"marked: {', '.join(marked)}")
    if account.stopped & set(HELD):
        found.append(f"suspended: {', '.join(sorted(account.stopped))}")
    if account.holder in world.alive:
        found.append(f"{account.holder} holds the lock")
    return found + wrongs(world)


def wrongs(world: World) -> list[str]:
    """What must not have happened at any time."""
    found = [
        f"at {one.at - 1.8e9:.1f} s a request was lost on {one.host}: {one.why}"
        for one in world.lost
        if one.by == "operator"
    ]
    return found + [f"{name} left traffic, and nobody else served" for name in world.too_few]


def last_run(world: World) -> Run:
    """The record of the run that held the lock last."""
    return lock.parse(world.account.objects[LOCK]).run


@functools.cache
def _environment(count: int) -> Environment:
    base = samples.environment()
    return replace(base, fleet=replace(base.fleet, hosts=count))


def _publish(world: World, target: Target, release: str) -> None:
    if release == target.release.id:
        for path, content in target.release.files.items():
            world.account.objects[f"releases/{release}/{path}"] = content
        return
    manifest = {"release": release, "model": "mistral-7b", "facts": {"images": {}}, "files": {}}
    world.account.objects[f"releases/{release}/{MANIFEST}"] = json.dumps(manifest).encode()
    world.account.objects[f"releases/{release}/agent.json"] = b'{"chat": true}'
