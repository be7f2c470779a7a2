"""What a deploy changes, and when it refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provision.commands.command import Command
from provision.errors import PlanError, Refused
from provision.facts.inventory import Inventory
from provision.planning.actions import FreeFleet, ImageSpec, Run, UploadFiles
from provision.planning.deploy import plan_deploy
from provision.planning.plan import Plan, Step, Wave
from provision.planning.release import assemble
from provision.planning.situation import Situation, Target
from provision.secret import Secret
from provision.testing import samples

RELEASE = assemble("mistral-7b", {"engine.yaml": "model: x\n"}, {"revision": "abc"})
IMAGES = (
    ImageSpec(f"{samples.REPOSITORY_URL}:engine-0123456789ab", "vllm/vllm-openai:v0", "Dockerfile"),
    ImageSpec(f"{samples.REPOSITORY_URL}:front-0123456789ab", "nginx:1"),
)
TARGET = Target(RELEASE, IMAGES, "mistralai/Mistral", "abc", "weights/mistral-7b/abc")
HOSTS = samples.hosts(3)
EVERYWHERE = {image.target: True for image in IMAGES}


def new_fleet(**changes: object) -> Situation:
    """Three hosts that run nothing, and empty stores."""
    base = Situation(Inventory(HOSTS), {host.name: samples.facts() for host in HOSTS})
    return replace(base, **changes)  # type: ignore[arg-type]


def same_fleet(**changes: object) -> Situation:
    """Three hosts that serve the release, which is current."""
    base = Situation(
        Inventory(HOSTS),
        {host.name: samples.serving(RELEASE.id) for host in HOSTS},
        in_traffic=frozenset(host.name for host in HOSTS),
        published=True,
        weights_published=True,
        mirrored=EVERYWHERE,
        current=RELEASE.id,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def plan(situation: Situation, **options: object) -> Plan:
    return plan_deploy(samples.environment(), TARGET, situation, **options)  # type: ignore[arg-type]


def shown(plan: Plan) -> list[str]:
    """Every step as ``wave | host | summary``."""
    return [
        f"{wave.title} | {step.host or 'environment'} | {step.summary}"
        for wave in plan
        for step in wave.steps
    ]


def test_a_new_fleet_gets_everything_in_order() -> None:
    """Stores are filled through one host each; the rest happens on all hosts."""
    r = RELEASE.id
    assert shown(plan(new_fleet(new_probe_key=Secret("sk")))) == [
        "publish and upload | environment | make a probe key",
        f"publish and upload | environment | publish {r}",
        f"publish and upload | i-1 | upload {r}",
        f"publish and upload | i-2 | upload {r}",
        f"publish and upload | i-3 | upload {r}",
        "fill registry and bucket | i-1 | mirror engine-0123456789ab, front-0123456789ab",
        "fill registry and bucket | i-2 | fetch mistralai/Mistral into the bucket",
        *[
            f"start | {host} | {what}"
            for host in HOSTS
            for what in (
                "prove the GPU in a container",
                f"start {r}",
                "wait until ready",
                "wait for traffic",
            )
        ],
        "finish | environment | ask through the load balancer",
        f"finish | environment | make {r} current",
    ]


def test_the_same_release_is_nothing_to_do() -> None:
    """Ready, in traffic and current everywhere: an empty Plan."""
    assert not plan(same_fleet())


def test_setup_goes_first() -> None:
    """The waves that make hosts able to run containers come before all others."""
    step = Step(HOSTS[0], "install docker", "missing", Run(Command(("true",))))
    planned = plan(new_fleet(), setup=(Wave("set up", (step,)),))
    assert planned.waves[0].title == "set up"


def test_only_the_host_that_joined_gets_work() -> None:
    """A host that runs nothing is brought up beside serving ones, which are left alone."""
    facts = {**same_fleet().facts, "i-2": samples.facts()}
    planned = plan(same_fleet(facts=facts, in_traffic=frozenset({"i-1", "i-3"})))
    assert planned.hosts == ("i-2",)


def test_a_starting_host_is_only_waited_for() -> None:
    """A boot that applies the release already is not disturbed."""
    agent = {"state": "warming", "release": RELEASE.id, "ready_for": None}
    starting = replace(samples.serving(RELEASE.id), agent=agent)
    situation = same_fleet(facts={**same_fleet().facts, "i-1": starting})
    planned = plan(replace(situation, in_traffic=frozenset({"i-2", "i-3"})))
    assert shown(planned)[:2] == [
        "start | i-1 | wait until ready",
        "start | i-1 | wait for traffic",
    ]


@pytest.mark.parametrize("state", ["crash-loop", "hung", "stopped", None])
def test_a_broken_engine_is_started_again(state: str | None) -> None:
    """The release is right but its engine is not: it is applied again, with the state as reason."""
    broken = replace(samples.serving(RELEASE.id), agent={"state": state} if state else None)
    situation = same_fleet(facts={**same_fleet().facts, "i-1": broken})
    steps = [s for w in plan(replace(situation, in_traffic=frozenset())) for s in w.steps]
    [applied] = [step for step in steps if step.summary == f"start {RELEASE.id}"]
    assert applied.reason == (f"its engine is {state}" if state else "its agent does not answer")


@pytest.mark.parametrize("in_traffic", [True, False])
def test_a_changed_release_never_restarts_serving_hosts_at_once(in_traffic: bool) -> None:
    """Hosts that answer clients now go one after the other, whatever the load balancer thinks."""
    facts = {host.name: samples.serving("r-000000000000") for host in HOSTS}
    traffic = frozenset(host.name for host in HOSTS) if in_traffic else frozenset()
    situation = new_fleet(facts=facts, in_traffic=traffic)
    planned = plan(situation)

    assert [wave.title for wave in planned][2:] == [
        "get ready",
        "before",
        "change i-1: 2 of 3 keep serving",
        "change i-2: 2 of 3 keep serving",
        "change i-3: 2 of 3 keep serving",
        "finish",
    ]
    assert [step.summary for step in planned.afterwards] == ["free the group"]
    at_once = plan(situation, accept_downtime=True)
    assert [wave.title for wave in at_once][2:] == ["start", "finish"]
    assert at_once.afterwards == ()


def test_the_only_serving_host_is_not_taken_away() -> None:
    """Without a second engine a change is downtime, which somebody must accept."""
    facts = {**new_fleet().facts, "i-1": samples.serving("r-000000000000")}
    situation = new_fleet(facts=facts, in_traffic=frozenset({"i-1"}))
    with pytest.raises(Refused, match=r"with 1 away 0 would, and at least 1 must") as refused:
        plan(situation)
    assert "--accept-downtime" in refused.value.hint
    assert plan(situation, accept_downtime=True)


def test_hosts_with_a_dead_old_release_are_free() -> None:
    """A host that runs another release and answers nobody may be restarted."""
    old = replace(samples.serving("r-000000000000"), agent={"state": "crash-loop"})
    assert plan(new_fleet(facts={host.name: old for host in HOSTS})).expects == {
        host.name: "r-000000000000" for host in HOSTS
    }


def test_some_hosts_never_move_current() -> None:
    """A partial deploy asks for an answer, and says that booting hosts keep the old release."""
    planned = plan(new_fleet(partial=True, current="r-111111111111"))
    assert shown(planned)[-1] == "finish | environment | ask through the load balancer"
    assert "only some hosts: booting hosts keep taking r-111111111111" in planned.notes


def test_current_lags_behind() -> None:
    """Hosts that serve an unpromoted release are only asked and promoted."""
    assert shown(plan(same_fleet(current=None))) == [
        "finish | environment | ask through the load balancer",
        f"finish | environment | make {RELEASE.id} current",
    ]


def test_what_a_dead_rollout_holds_is_freed_by_whoever_changes_something() -> None:
    """Also when no host has to leave traffic any more; not by a plan that does nothing."""
    held = ("Launch", "Terminate")
    late = plan(same_fleet(current=None, still_held=held))
    assert [step.action for step in late.afterwards] == [FreeFleet(held)]
    assert not plan(same_fleet(still_held=held))


def test_an_unreachable_host_is_left_out_and_said() -> None:
    """The others are planned for; the one is in ``left_out`` with its reason."""
    facts = {name: found for name, found in new_fleet().facts.items() if name != "i-3"}
    planned = plan(new_fleet(facts=facts, unreachable={"i-3": "no route to host"}))
    assert planned.left_out == {"i-3": "no route to host"}
    assert planned.hosts == ("i-1", "i-2")
    assert "i-3 is left out: no route to host" in planned.notes


def test_gated_weights_need_a_token() -> None:
    """Refused before anything changes, with the secret's name."""
    gated = replace(TARGET, gated=True)
    with pytest.raises(Refused) as refused:
        plan_deploy(
            samples.environment(), gated, new_fleet(), hub_token_secret="llm-fleet/test/hub-token"
        )
    assert "llm-fleet/test/hub-token" in refused.value.hint
    assert plan_deploy(samples.environment(), gated, new_fleet(hub_token=True))
    assert plan_deploy(samples.environment(), gated, new_fleet(weights_published=True))


def test_nobody_to_deploy_to() -> None:
    """No host, or none that answers, is an error and not "nothing to do"."""
    with pytest.raises(PlanError, match="no running host"):
        plan(Situation(Inventory(()), {}))
    with pytest.raises(PlanError, match="i-1: timed out"):
        plan(new_fleet(facts={}, unreachable={"i-1": "timed out"}))


def test_a_disk_that_may_be_too_small_is_a_note() -> None:
    """Two images and five releases are compared with what is free."""
    from provision.planning.disk import Disk

    target = replace(TARGET, disk=Disk(13.5, 4.0, 54.3, 0.05))
    facts = {host.name: samples.facts(root_free_gib=40.0) for host in HOSTS[:1]}
    planned = plan_deploy(samples.environment(), target, new_fleet(facts=facts))
    assert "i-1 has 40 GiB free; two engine images and five releases may need 62" in planned.notes


def test_a_thousand_hosts_share_one_copy_of_the_files() -> None:
    """Four steps a host to start and one to upload, which holds the same files for all."""
    hosts = samples.hosts(1000)
    facts = samples.facts()
    situation = Situation(Inventory(hosts), {host.name: facts for host in hosts})
    planned = plan(situation)
    assert sum(len(wave.steps) for wave in planned) == 5 * 1000 + 5
    uploads = [s.action for w in planned for s in w.steps if isinstance(s.action, UploadFiles)]
    assert len({id(upload.files) for upload in uploads}) == 1
