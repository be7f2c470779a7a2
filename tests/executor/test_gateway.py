"""The gateway comes up, or says why it does not."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from provision.commands.command import Result
from provision.connectors.protocols import Answer
from provision.errors import CloudError, FleetError, HostError, PlanError
from provision.executor.gateway import GatewayWork
from provision.facts.gateway import ServiceNow, TaskDefinition
from provision.facts.inventory import Host
from provision.planning.gateway_actions import AskGateway, BuildGateway, MoveGateway, WaitGateway
from provision.secret import Secret
from provision.testing import samples
from provision.testing.clock import FakeClock
from provision.testing.cloud import FakeCloud
from provision.testing.gateway import FakeGateway
from provision.testing.http import FakeHttp
from provision.testing.shell import FakeShell

FAMILY = "arn:aws:ecs:us-east-1:123456789012:task-definition/llm-fleet-test-gateway"
OLD, NEW = TaskDefinition(f"{FAMILY}:1", {}), TaskDefinition(f"{FAMILY}:2", {})
OUTPUTS = replace(samples.outputs(), fallback=samples.fallback_outputs())
URL = "http://fleet.test/v1/chat/completions"
HOSTED = Answer(200, {"x-llm-tier": "hosted"}, '{"choices": []}')
ASK = AskGateway("mistral-7b", chat=True, timeout_s=30)
WAIT = WaitGateway(NEW.arn, 2, 60)
(HOST,) = samples.hosts(1)
BUILD = BuildGateway(
    "r-1",
    f"{samples.REPOSITORY_URL}:gateway-0123456789ab",
    "python:3.12",
    "Dockerfile.gateway",
    {"Dockerfile.gateway": b"FROM python:3.12\n"},
)


class Room:
    """An account with a gateway of two tasks, a host, and a clock."""

    def __init__(self) -> None:
        self.service = FakeGateway(OLD, NEW, tasks=2)
        self.cloud, self.shell = FakeCloud(OUTPUTS), FakeShell()
        self.http, self.clock = FakeHttp(), FakeClock()
        self.cloud.secrets[OUTPUTS.probe_key_secret] = Secret("sk-probe")
        self.said: list[str] = []
        self.stop = False

    def do(
        self,
        action: BuildGateway | MoveGateway | WaitGateway | AskGateway,
        *,
        host: Host | None = None,
    ) -> str:
        work = GatewayWork(
            service=self.service,
            shell=self.shell,
            http=self.http,
            cloud=self.cloud,
            clock=self.clock,
            stopped=lambda: self.stop,
        )
        return work.carry_out(host, action, self.said.append)

    def fails(self, action: MoveGateway | WaitGateway | AskGateway) -> FleetError:
        with pytest.raises(FleetError) as error:
            self.do(action)
        return error.value


@pytest.fixture
def room() -> Room:
    return Room()


class TestBuild:
    def test_the_host_gets_the_files_and_the_login_of_the_moment(self, room: Room) -> None:
        """The program of the release builds them; the token is on its standard input only."""
        room.shell.prepare("*mirror*", Result(0, '{"event": "done", "t": 1}\n'))
        room.do(BUILD, host=HOST)
        folder = "/opt/llm-fleet/builds/gateway-0123456789ab"
        assert room.shell.ran("i-1") == [
            f"upload {folder}",
            "python3 /opt/llm-fleet/releases/r-1/host.pyz mirror",
        ]
        assert room.shell.files["i-1", folder] == BUILD.files
        ((_, command),) = room.shell.commands
        assert isinstance(command.stdin, Secret)  # no log shows it
        request = json.loads(command.stdin.reveal())
        assert request.pop("registry_password") == room.cloud.registry_password().reveal()
        assert request == {
            "release": "r-1",
            "registry": "123456789012.dkr.ecr.us-east-1.amazonaws.com",
            "images": [
                {
                    "target": BUILD.target,
                    "source": "python:3.12",
                    "dockerfile": "Dockerfile.gateway",
                }
            ],
            "build": "gateway-0123456789ab",
        }

    def test_a_build_that_fails_says_what_the_host_said(self, room: Room) -> None:
        """As any other image."""
        failed = '{"event": "failed", "t": 1, "reason": "no matching distribution"}\n'
        room.shell.prepare("*mirror*", Result(1, failed))
        with pytest.raises(HostError, match="no matching distribution"):
            room.do(BUILD, host=HOST)


class TestMove:
    def test_revision_and_number_in_one(self, room: Room) -> None:
        """ECS does the rest."""
        room.do(MoveGateway(NEW.arn, 3, OLD.arn))
        assert room.service.log == ["move to llm-fleet-test-gateway:2, 3 tasks"]

    def test_somebody_else_moved_it_since_the_plan_was_made(self, room: Room) -> None:
        """Theirs may be newer: it is not overwritten."""
        room.service.now = replace(room.service.now, definition=f"{FAMILY}:3")
        error = room.fails(MoveGateway(NEW.arn, 2, OLD.arn))
        assert isinstance(error, PlanError)
        assert "shall run llm-fleet-test-gateway:3 by now, not llm-fleet-test-gateway:1" in str(
            error
        )
        assert room.service.log == []


class TestWait:
    def test_until_all_run_and_are_healthy(self, room: Room) -> None:
        """What ECS still says of before the change is no failure; progress is told once."""
        before = room.service.now
        begun = ServiceNow(NEW.arn, 2, 2, replacing=True, rollout="IN_PROGRESS")
        done = replace(begun, replacing=False, rollout="COMPLETED")
        room.service.then = [before, begun, begun, done]
        assert room.do(WAIT) == "after 15 s"
        assert room.said == ["2 of 2 task(s) run, 2 healthy"]

    def test_tasks_that_run_are_not_yet_tasks_that_serve(self, room: Room) -> None:
        """The load balancer has its own word."""
        room.service.now = ServiceNow(NEW.arn, 2, 2)
        room.service.health = {"10.40.9.1": "healthy", "10.40.9.2": "unhealthy"}
        assert "2 of 2 task(s) run, 1 healthy after 60 s" in str(room.fails(WAIT))

    def test_ecs_gives_up_and_goes_back(self, room: Room) -> None:
        """Said at once, with its log (oldest first), why tasks ended, and where to read on."""
        room.service.then = [
            ServiceNow(NEW.arn, 2, 1, replacing=True, rollout="IN_PROGRESS"),
            ServiceNow(OLD.arn, 2, 2, rollout="IN_PROGRESS", events=("rolling back", "no start")),
        ]
        room.service.ended = ("gateway: CannotPullContainerError",)
        assert str(room.fails(WAIT)) == (
            "the gateway did not come up: ECS gave llm-fleet-test-gateway:2 up and went to"
            " llm-fleet-test-gateway:1"
            "\n    | no start"
            "\n    | rolling back"
            "\n    | a task ended: gateway: CannotPullContainerError"
            "\n  next: `aws logs tail /llm-fleet/test/gateway --since 30m` shows what its"
            " containers said"
        )
        assert room.clock.slept == [5.0]

    def test_ecs_gives_up_with_nothing_to_go_back_to(self, room: Room) -> None:
        """In its own words; that why tasks ended is unknown hides nothing else."""
        why = "tasks failed to start."
        room.service.now = ServiceNow(NEW.arn, 2, 0, rollout="FAILED", reason=why)
        room.service.failures["stopped"] = CloudError("ecs:list_tasks failed: AccessDenied")
        said = str(room.fails(WAIT))
        assert "ECS gave llm-fleet-test-gateway:2 up: tasks failed to start." in said
        assert "a task ended: unknown: ecs:list_tasks failed: AccessDenied" in said

    def test_whoever_is_stopped_does_not_wait_on(self, room: Room) -> None:
        """ECS goes on by itself."""
        room.stop = True
        assert "2 of 2 task(s) run, 2 healthy after 0 s" in str(room.fails(WAIT))


class TestAsk:
    def test_one_token_through_the_rule_that_leads_there(self, room: Room) -> None:
        """With the probe key: it costs a fraction of a cent."""
        room.http.prepare("POST", URL, HOSTED)
        assert room.do(ASK) == "after 0 s"
        (asked,) = room.http.asked
        assert asked.headers == {"Authorization": "Bearer sk-probe", "x-llm-probe": "fallback"}
        assert asked.body is not None
        assert (asked.body["model"], asked.body["max_tokens"]) == ("mistral-7b", 1)

    def test_fronts_learn_a_new_key_in_a_moment(self, room: Room) -> None:
        """So a refusal is asked again."""
        room.http.prepare("POST", URL, Answer(401, {}, "no such key"), FleetError("cut"), HOSTED)
        assert room.do(ASK) == "after 10 s"

    def test_another_tier_proves_nothing(self, room: Room) -> None:
        """An answer of our own engine, or an old one, is not what was asked for."""
        room.http.prepare("POST", URL, Answer(200, {"x-llm-tier": "primary"}, "{}"))
        said = str(room.fails(ASK))
        assert f"no hosted API gave a token through {URL} within 30 s" in said
        assert "x-llm-tier is primary, not hosted" in said

    def test_no_provider_answers(self, room: Room) -> None:
        """The gateway's own words are told."""
        said = '{"error": {"code": "providers_failed"}}'
        room.http.prepare("POST", URL, Answer(503, {"x-llm-tier": "none"}, said))
        assert f"HTTP 503: {said}" in str(room.fails(ASK))

    def test_whoever_is_stopped_does_not_ask_on(self, room: Room) -> None:
        """One answer is waited for."""
        room.stop = True
        room.http.prepare("POST", URL, Answer(503))
        room.fails(ASK)
        assert len(room.http.asked) == 1


def test_an_environment_without_a_gateway(room: Room) -> None:
    """There is nobody to move."""
    work = GatewayWork(
        service=None,
        shell=room.shell,
        http=room.http,
        cloud=room.cloud,
        clock=room.clock,
        stopped=lambda: False,
    )
    with pytest.raises(FleetError, match="has no gateway"):
        work.carry_out(None, WAIT, room.said.append)
