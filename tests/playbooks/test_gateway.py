"""A deploy with a gateway, as a person types it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from provision.commands.command import Result
from provision.errors import CloudError, OutputsMissing
from provision.facts.gateway import ServiceNow
from provision.testing import samples
from provision.testing.gateway import FakeGateway
from tests.playbooks.conftest import Fleet
from tests.playbooks.gateways import ANTHROPIC, FAMILY, OPENAI, give

PLAN = """\
deploy {RELEASE} (mistral-7b) to test

publish and upload
  environment  make a probe key        there is none to ask with
  environment  publish {RELEASE}  not in the bucket yet
  i-1, i-2     upload {RELEASE}   not on the host yet

fill registry and bucket
  i-1  mirror {ENGINE}, {FRONT}            not in the registry yet
  i-2  fetch mistralai/Mistral-7B-Instruct-v0.3 into the bucket  not in the bucket yet
  i-1  build {GATEWAY}                                not in the registry yet

gateway
  environment  move the gateway to llm-fleet-test-gateway:1, 2 task(s)  it has no tasks
  environment  wait until its tasks serve                               \
ECS starts the new beside the old
  environment  ask a hosted API for one token                           \
green targets prove no way out

start
  i-1, i-2  prove the GPU in a container  before the engine starts
  i-1, i-2  start {RELEASE}          runs nothing
  i-1, i-2  wait until ready              the agent warms the engine
  i-1, i-2  wait for traffic              the load balancer checks the agent

finish
  environment  ask through the load balancer  an answer must come from our own engine
  environment  make {RELEASE} current    booting hosts take nothing now
"""


@pytest.fixture
def gateway(fleet: Fleet) -> FakeGateway:
    """Described, and without tasks: `pulumi up` ran for the first time."""
    return give(fleet)


def serve(fleet: Fleet) -> None:
    """Both hosts serve what they shall, and every store is full but for the gateway's image."""
    target = fleet.target
    fleet.facts = {name: samples.serving(target.release.id) for name in fleet.facts}
    fleet.shell.prepare("*readlink*", Result(0, f"{target.release.id}\n"))
    fleet.cloud.images |= {image.tag: "sha256:1" for image in target.images}
    fleet.cloud.objects[f"{target.weights_folder}/manifest.json"] = b'{"files": {}}'
    fleet.cloud.objects["releases/current"] = json.dumps({"release": target.release.id}).encode()
    manifest = target.release.files["release.json"]
    fleet.cloud.objects[f"releases/{target.release.id}/release.json"] = manifest


def image(gateway: FakeGateway) -> str:
    """The tag of the gateway's image."""
    return gateway.newest().images["gateway"].rpartition(":")[2]


def test_the_whole_plan(fleet: Fleet, gateway: FakeGateway) -> None:
    """The gateway comes after the stores and before any host; nothing is changed."""
    said = fleet.run("deploy", "--dry-run")
    assert said.code == 0
    engine, front = (one.tag for one in fleet.target.images)
    known = {"ENGINE": engine, "FRONT": front, "GATEWAY": image(gateway)}
    known["RELEASE"] = fleet.target.release.id
    assert said.out == PLAN.format(**known)
    assert (fleet.cloud.log, fleet.shell.log, fleet.http.asked, gateway.log) == ([], [], [], [])


def test_a_whole_deploy(fleet: Fleet, gateway: FakeGateway) -> None:
    """Image, tasks, a hosted token; then the hosts, and an answer of their own."""
    said = fleet.run("deploy", "--yes")
    assert said.code == 0
    assert gateway.log == ["move to llm-fleet-test-gateway:1, 2 tasks"]
    assert "ask a hosted API for one token (after 0 s)" in said.err
    steps = [line for line in said.err.splitlines() if line.startswith("==")]
    assert steps.index("== gateway") < steps.index("== start")
    hosted, *own = [asked.headers.get("x-llm-probe") for asked in fleet.http.asked]
    assert hosted == "fallback"
    assert own == ["1", "1"]


def test_the_gateway_alone(fleet: Fleet, gateway: FakeGateway) -> None:
    """Hosts that serve what they shall are not touched, but for the one that builds."""
    serve(fleet)
    said = fleet.run("deploy", "--yes")
    assert said.code == 0
    assert gateway.log == ["move to llm-fleet-test-gateway:1, 2 tasks"]
    assert not any("apply" in line for line in fleet.shell.log)
    assert sum("host.pyz mirror" in line for line in fleet.shell.log) == 1


def test_deployed_twice_is_nothing_to_do(fleet: Fleet) -> None:
    """Everything stands: one friendly line, and nobody is asked for a token."""
    service = give(fleet, image=True)
    assert fleet.run("deploy", "--yes").code == 0
    serve(fleet)
    fleet.http.asked.clear()
    said = fleet.run("deploy", "--yes")
    assert (said.code, said.out.splitlines()[-1]) == (0, "nothing to do")
    assert service.log == ["move to llm-fleet-test-gateway:1, 2 tasks"]
    assert fleet.http.asked == []


def test_a_gateway_that_does_not_come_up_leaves_every_host_as_it_was(
    fleet: Fleet, gateway: FakeGateway
) -> None:
    """Exit 1 with what ECS says; nobody left traffic."""
    fleet.facts = {name: samples.serving("r-000000000000") for name in fleet.facts}
    fleet.shell.prepare("*readlink*", Result(0, "r-000000000000\n"))

    def fail(definition: str, _tasks: int) -> None:
        why = "tasks failed to start."
        gateway.now = ServiceNow(definition, 2, 0, rollout="FAILED", reason=why)

    gateway.on_move = fail
    gateway.ended = ("gateway: CannotPullContainerError: not found",)
    said = fleet.run("deploy", "--yes")
    assert said.code == 1
    assert "ECS gave llm-fleet-test-gateway:1 up: tasks failed to start." in said.out
    assert "| a task ended: gateway: CannotPullContainerError: not found" in said.out
    assert "never began: change i-1" in said.out
    assert not any("register" in line for line in fleet.cloud.log)
    assert not any("apply" in line or "drain" in line for line in fleet.shell.log)


def test_some_hosts_leave_the_gateway_alone(fleet: Fleet, gateway: FakeGateway) -> None:
    """It is not even asked: the way to deploy while ECS does not answer."""
    for call in ("newest", "service", "definition", "filled"):
        gateway.failures[call] = CloudError("ecs does not answer")
    said = fleet.run("deploy", "--hosts", "i-1", "--dry-run")
    assert said.code == 0
    assert "note: only some hosts: the gateway stays as it is" in said.out


@pytest.mark.parametrize(("secret", "state"), [(OPENAI, False), (ANTHROPIC, None)])
def test_a_missing_key_is_refused_before_anything_changes(
    fleet: Fleet, gateway: FakeGateway, secret: str, state: bool | None
) -> None:
    """Exit 3, with the secret's name."""
    if state is None:
        del gateway.secrets[secret]
    else:
        gateway.secrets[secret] = state
    said = fleet.run("deploy", "--yes")
    assert said.code == 3
    assert secret in said.err
    assert "nothing was changed" in said.err
    assert (fleet.cloud.log, fleet.shell.log, gateway.log) == ([], [], [])


def test_another_model_than_the_one_described(fleet: Fleet, gateway: FakeGateway) -> None:
    """Exit 3: in an outage its clients would get 404."""
    said = fleet.run("deploy", "--model", "qwen2.5-7b", "--yes")
    assert said.code == 3
    assert "not to qwen2.5-7b: in an outage clients would get 404" in said.err
    assert gateway.log == []


def test_before_the_first_pulumi_up(fleet: Fleet, gateway: FakeGateway) -> None:
    """Exit 1, and what to run first."""
    missing = OutputsMissing("never made", hint="run `pulumi up -s test` first")
    gateway.failures["newest"] = gateway.failures["service"] = missing
    said = fleet.run("deploy", "--yes")
    assert (said.code, said.err.splitlines()[-1]) == (1, "  next: run `pulumi up -s test` first")
    assert fleet.cloud.log == []


def test_a_revision_that_the_program_here_did_not_describe(
    fleet: Fleet, gateway: FakeGateway
) -> None:
    """Exit 3: `pulumi up` first."""
    newest = gateway.newest()
    gateway.definitions[f"{FAMILY}:2"] = replace(
        newest, arn=f"{FAMILY}:2", images={**newest.images, "gateway": "image:of-before"}
    )
    said = fleet.run("deploy", "--yes")
    assert said.code == 3
    assert "gateway: image:of-before, not" in said.err
    assert "run `pulumi up` first" in said.err


def test_a_dead_deploy_s_move_is_found_by_the_next_one(fleet: Fleet, gateway: FakeGateway) -> None:
    """It waits for what ECS goes on with, and moves nothing twice."""
    serve(fleet)
    gateway.move(gateway.newest().arn, 2)
    done, going = gateway.now, replace(gateway.now, running=1, rollout="IN_PROGRESS")
    gateway.then = [going, going, done]
    said = fleet.run("deploy", "--yes")
    assert said.code == 0
    assert gateway.log == ["move to llm-fleet-test-gateway:1, 2 tasks"]
    assert "1 of 2 task(s) run, 2 healthy" in said.err


def test_hosts_that_go_back_leave_the_gateway_where_it_is(
    fleet: Fleet, gateway: FakeGateway
) -> None:
    """It was proven; whoever wants the one of before is told how."""
    fleet.facts = {name: samples.serving("r-000000000000") for name in fleet.facts}
    fleet.shell.prepare("*readlink*", Result(0, "r-000000000000\n"))
    apply = f"*apply --release {fleet.target.release.id}*"
    fleet.shell.prepare(apply, Result(1, '{"event": "failed", "t": 1, "reason": "no space left"}'))

    fleet.facts["i-1"] = replace(fleet.facts["i-1"], agent={"state": "stopped"})
    said = fleet.run("deploy", "--yes")
    assert said.code == 1
    assert "error: i-1: no space left" in said.out
    assert "note: the gateway stays at the revision that it was moved to" in said.err
    assert gateway.log == ["move to llm-fleet-test-gateway:1, 2 tasks"]
