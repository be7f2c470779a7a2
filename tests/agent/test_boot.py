"""A host that boots, touched by nobody."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from provision.agent import containers, lock
from provision.agent.apply import Apply
from provision.agent.boot import boot
from provision.agent.cloud import Cloud
from provision.agent.errors import AgentError, Busy, CloudUnreachable
from provision.agent.maintenance import Maintenance
from provision.agent.system import Completed
from tests.agent.conftest import World, make_release, write_files

RELEASE, OTHER = make_release("one"), make_release("two")
PARAMETER = "/llm-fleet/test/hosts/i-0123456789abcdef0/host-key"
KEYS = {
    "ssh_host_ed25519_key.pub": b"ssh-ed25519 AAAAed root@host\n",
    "ssh_host_rsa_key.pub": b"ssh-rsa AAAArsa root@host\n",
}


@pytest.fixture
def fresh(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """An instance after its user data ran; the fleet has a current release."""
    monkeypatch.setattr(containers, "engine_answers", lambda _port: True)
    write_files(world.paths.ssh_host_keys, KEYS)
    world.publish(RELEASE)
    make_current(world, RELEASE.id)
    return world


def make_current(world: World, release_id: str) -> None:
    body = json.dumps({"release": release_id}).encode()
    world.host.cloud.put_object("releases/current", body)


def parameter(world: World) -> str:
    answer = world.host.cloud.client("ssm").get_parameter(Name=PARAMETER)
    return str(answer["Parameter"]["Value"])


def test_a_fresh_host_ends_with_the_current_release(fresh: World) -> None:
    """Key published, release fetched and verified, containers started."""
    assert boot(fresh.host)
    assert parameter(fresh) == "ssh-ed25519 AAAAed\nssh-rsa AAAArsa"
    assert fresh.paths.current_release() == RELEASE.id
    assert {c.status for c in fresh.machine.containers.values()} == {"running"}


def test_a_host_that_went_down_while_it_was_away_comes_back_into_traffic(fresh: World) -> None:
    """It was deregistered, and who did that may be gone: as when a lease runs out."""
    boot(fresh.host)
    maintenance = Maintenance(fresh.paths.maintenance)
    assert maintenance.ran_out(fresh.clock.now())
    maintenance.end()
    boot(fresh.host)  # not a boot: the agent tries again what failed
    assert not maintenance.ran_out(fresh.clock.now())


def test_whoever_takes_a_booting_host_away_is_heard(fresh: World) -> None:
    """His lease holds."""
    maintenance = Maintenance(fresh.paths.maintenance)
    maintenance.begin(fresh.clock.now(), lease_s=300.0, why="a rollout")
    boot(fresh.host)
    assert maintenance.mark(fresh.clock.now()) is not None


def test_a_bare_image_is_set_up_first(fresh: World) -> None:
    """By the script that user data left, before anything of the release is touched."""
    fresh.paths.set_up.parent.mkdir(parents=True, exist_ok=True)
    fresh.paths.set_up.write_text("#!/bin/sh\n")
    ran: list[Sequence[str]] = []

    def run(words: Sequence[str], **_: Any) -> Completed:
        ran.append(words)
        return Completed(100, err="E: Unable to fetch some archives\n")

    with pytest.raises(AgentError, match="can't set this host up: E: Unable to fetch"):
        boot(replace(fresh.host, run=run))
    assert ran[-1] == ["sh", str(fresh.paths.set_up)]
    assert fresh.paths.current_release() is None
    assert fresh.machine.containers == {}


def test_two_boots_at_once_take_turns(fresh: World) -> None:
    """The boot unit and the agent never install, claim or mount side by side."""
    fresh.paths.run.mkdir(parents=True)
    with fresh.paths.lock.open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(Busy):
            boot(fresh.host, lock_wait_s=0.0)
    assert not fresh.paths.cache.exists()


def test_an_operator_who_was_faster_is_right(fresh: World) -> None:
    """A deploy reaches the host while it boots: the candidate stays, current is the old one."""
    fresh.put_on_host(OTHER)
    fresh.paths.run.mkdir(parents=True)
    with fresh.paths.lock.open("w") as operator:
        fcntl.flock(operator, fcntl.LOCK_EX)

        def deployed() -> None:
            fresh.clock.on_sleep = lambda: None
            fcntl.flock(operator, fcntl.LOCK_UN)
            Apply(fresh.host).release(OTHER.id, fetch=False)

        fresh.clock.on_sleep = deployed
        assert not boot(fresh.host)
    assert fresh.paths.current_release() == OTHER.id
    assert {c.folder for c in fresh.machine.containers.values()} == {
        str(fresh.paths.release(OTHER.id))
    }


def test_a_release_that_becomes_current_meanwhile_is_taken_too(fresh: World) -> None:
    """A deploy ends while this host still fetches the old release's weights and images."""
    fresh.publish(OTHER)

    def deploy_ends() -> None:
        del fresh.machine.hooks["docker pull"]
        make_current(fresh, OTHER.id)

    fresh.machine.hooks["docker pull"] = deploy_ends
    assert boot(fresh.host)
    assert [event["release"] for event in fresh.events("applied")] == [RELEASE.id, OTHER.id]
    assert fresh.paths.current_release() == OTHER.id


def test_nobody_gets_between_the_question_and_the_answer(
    fresh: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operator who waits for the lock gets it when the release is up; his stays."""
    fresh.put_on_host(OTHER)

    @contextmanager
    def held_with_a_queue(*arguments: Any, **options: Any) -> Iterator[None]:
        with lock.held(*arguments, **options):
            yield
        Apply(fresh.host).release(OTHER.id, fetch=False)

    monkeypatch.setattr("provision.agent.boot.held", held_with_a_queue)
    boot(fresh.host)
    assert fresh.paths.current_release() == OTHER.id


def test_before_the_fleet_has_a_current_release_the_hosts_own_counts(fresh: World) -> None:
    """A reboot in the middle of the first deploy."""
    boot(fresh.host)
    client = fresh.host.cloud.client("s3")
    client.delete_object(Bucket="llm-fleet-test", Key="releases/current")
    fresh.machine.containers["llm-fleet-engine-0"].status = "exited"
    assert boot(fresh.host)
    assert fresh.machine.containers["llm-fleet-engine-0"].status == "running"


def test_a_reboot_changes_nothing(fresh: World) -> None:
    """Containers came back by themselves; the release is the same."""
    boot(fresh.host)
    fresh.machine.calls.clear()
    assert not boot(fresh.host)
    assert fresh.machine.calls == []


def test_a_reboot_takes_what_became_current_meanwhile(fresh: World) -> None:
    """Never a candidate: only what the fleet calls current."""
    boot(fresh.host)
    fresh.publish(OTHER)
    make_current(fresh, OTHER.id)
    assert boot(fresh.host)
    assert fresh.paths.current_release() == OTHER.id


def test_a_published_key_is_never_overwritten(fresh: World) -> None:
    """Whoever comes back under the same instance id with other keys is not believed."""
    boot(fresh.host)
    write_files(fresh.paths.ssh_host_keys, {"ssh_host_ed25519_key.pub": b"ssh-ed25519 OTHER x\n"})
    boot(fresh.host)
    assert "OTHER" not in parameter(fresh)
    assert [event["created"] for event in fresh.events("host-key")] == [True, False]


def test_without_a_release_it_waits(world: World) -> None:
    """No error: before the first deploy there is nothing to run."""
    write_files(world.paths.ssh_host_keys, KEYS)
    assert not boot(world.host)
    assert world.events("waiting") != []
    assert world.machine.containers == {}


def test_while_s3_is_away_the_host_keeps_its_release(
    fresh: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reboot at 3 am needs nobody."""
    boot(fresh.host)

    def away(_cloud: Cloud, key: str) -> Any:
        raise CloudUnreachable(f"can't read {key}")

    monkeypatch.setattr(Cloud, "get_object", away)
    assert not boot(fresh.host)
    assert "going on with" in fresh.events("trouble")[0]["reason"]


def test_a_fresh_host_without_s3_says_so(fresh: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing to fall back to: the reason, and the agent tries again."""

    def away(_cloud: Cloud, key: str) -> Any:
        raise CloudUnreachable(f"can't read {key}")

    monkeypatch.setattr(Cloud, "get_object", away)
    with pytest.raises(CloudUnreachable, match="releases/current"):
        boot(fresh.host)


def test_a_damaged_folder_is_fetched_again(fresh: World) -> None:
    """The power failed while it was written: the bucket's copy replaces it."""
    boot(fresh.host)
    (fresh.paths.release(RELEASE.id) / "agent.json").write_text("")
    assert not boot(fresh.host)
    assert (fresh.paths.release(RELEASE.id) / "agent.json").stat().st_size > 0


def test_a_release_that_is_not_whole_in_the_bucket(fresh: World) -> None:
    """Half a release never becomes a folder."""
    fresh.host.cloud.client("s3").delete_object(
        Bucket="llm-fleet-test", Key=f"releases/{RELEASE.id}/agent.json"
    )
    with pytest.raises(AgentError, match=r"agent\.json is missing"):
        boot(fresh.host)
    assert not fresh.paths.release(RELEASE.id).exists()
