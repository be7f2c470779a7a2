"""The gateway's part of a deploy: what it lacks, when it must not go on."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from provision.errors import Refused
from provision.facts.gateway import ServiceNow, TaskDefinition
from provision.facts.inventory import Inventory
from provision.planning import gateway as way_out
from provision.planning.actions import ImageSpec
from provision.planning.deploy import plan_deploy
from provision.planning.gateway import Gateway, GatewayNow, GatewayTarget
from provision.planning.gateway_actions import AskGateway, BuildGateway, MoveGateway, WaitGateway
from provision.planning.plan import Plan
from provision.planning.situation import Situation
from provision.testing import samples
from tests.planning.test_deploy import HOSTS, RELEASE, TARGET, new_fleet, same_fleet, shown

ENVIRONMENT = samples.environment(fallback=samples.fallback())
FAMILY = "arn:aws:ecs:us-east-1:123456789012:task-definition/llm-fleet-test-gateway"
IMAGE = f"{samples.REPOSITORY_URL}:gateway-0123456789ab"
FRONT = f"{samples.REPOSITORY_URL}:front-0123456789ab"
OPENAI, ANTHROPIC = "llm-fleet/test/openai-api-key", "llm-fleet/test/anthropic-api-key"


def told(*names: str, **others: Any) -> dict[str, str]:
    """The variables of a revision that answers to *names*."""
    document = {"names": names or ("mistral-7b",), "longest_tokens": 4096, **others}
    return {"GATEWAY": json.dumps(document), "NGINX_CONF": "events {}"}


def revision(number: int, image: str = IMAGE, *names: str, **others: Any) -> TaskDefinition:
    images = {"gateway": image, "front": FRONT}
    return TaskDefinition(f"{FAMILY}:{number}", images, told(*names, **others))


FILES = {"Dockerfile.gateway": b"FROM python:3.12\n"}
SPEC = ImageSpec(IMAGE, "python:3.12", "Dockerfile.gateway")
WANTED = GatewayTarget(SPEC, FILES, FRONT, told(), tasks=2, steady_s=900)
FIRST, SECOND = revision(1, "image:of-before"), revision(2)
WELL = GatewayNow(
    newest=SECOND,
    runs=SECOND,
    service=ServiceNow(SECOND.arn, 2, 2, rollout="COMPLETED"),
    mirrored=True,
    secrets={OPENAI: True, ANTHROPIC: True},
)
OF_BEFORE = replace(WELL, runs=FIRST, service=replace(WELL.service, definition=FIRST.arn))


def gateway(now: GatewayNow = WELL, **changes: Any) -> Gateway:
    return Gateway(WANTED, replace(now, **changes))


def plan(situation: Situation, away: Gateway | None, **options: Any) -> Plan:
    return plan_deploy(ENVIRONMENT, TARGET, situation, gateway=away, **options)


def refused(away: Gateway) -> Refused:
    with pytest.raises(Refused) as error:
        plan(same_fleet(), away)
    return error.value


class TestWhatIsDone:
    def test_nothing_when_it_stands_as_it_shall(self) -> None:
        """An empty Plan, and not a word."""
        planned = plan(same_fleet(), gateway())
        assert not planned
        assert planned.notes == ()

    def test_it_comes_up_before_any_host_starts(self) -> None:
        """Its image is built on a host that does nothing else then."""
        new = gateway(
            mirrored=False, runs=SECOND, service=ServiceNow(SECOND.arn, 0, 0, rollout="COMPLETED")
        )
        planned = plan(new_fleet(), new)
        assert [line for line in shown(planned) if "start |" not in line][4:] == [
            "fill registry and bucket | i-1 | mirror engine-0123456789ab, front-0123456789ab",
            "fill registry and bucket | i-2 | fetch mistralai/Mistral into the bucket",
            "fill registry and bucket | i-3 | build gateway-0123456789ab",
            "gateway | environment | move the gateway to llm-fleet-test-gateway:2, 2 task(s)",
            "gateway | environment | wait until its tasks serve",
            "gateway | environment | ask a hosted API for one token",
            "finish | environment | ask through the load balancer",
            f"finish | environment | make {RELEASE.id} current",
        ]
        titles = [wave.title for wave in planned]
        assert titles.index("gateway") < titles.index("start")

    def test_when_it_does_not_come_up_no_host_is_touched(self) -> None:
        """Its steps are the environment's, and its image is for all."""
        planned = plan(new_fleet(), gateway(OF_BEFORE, mirrored=False))
        steps = [s for w in planned for s in w.steps if isinstance(s.action, BuildGateway)]
        (wave,) = [wave for wave in planned if wave.title == "gateway"]
        assert all(step.for_all for step in (*steps, *wave.steps))
        assert len(steps) == 1

    def test_the_gateway_alone(self) -> None:
        """Hosts serve what they shall: they are left alone, and asked in the end."""
        planned = plan(same_fleet(), gateway(OF_BEFORE))
        assert planned.hosts == ()
        assert planned.intent is None
        assert [step.action for wave in planned for step in wave.steps][:3] == [
            MoveGateway(SECOND.arn, 2, before=FIRST.arn),
            WaitGateway(SECOND.arn, 2, 900),
            AskGateway("mistral-7b", chat=True, timeout_s=60 + 2 * 60),
        ]

    def test_with_one_host_that_builds_all(self) -> None:
        """One after the other."""
        situation = Situation(Inventory(HOSTS[:1]), {"i-1": samples.facts()})
        planned = plan(situation, gateway(OF_BEFORE, mirrored=False))
        (wave,) = [wave for wave in planned if wave.title == "fill registry and bucket"]
        assert {step.host for step in wave.steps} == {HOSTS[0]}
        assert wave.steps[-1].action == BuildGateway(
            RELEASE.id, IMAGE, "python:3.12", "Dockerfile.gateway", FILES
        )

    def test_what_somebody_else_moved_is_only_waited_for(self) -> None:
        """The deploy that died left ECS to it."""
        service = replace(WELL.service, running=1, replacing=True, rollout="IN_PROGRESS")
        assert shown(plan(same_fleet(), gateway(service=service)))[:2] == [
            "gateway | environment | wait until its tasks serve",
            "gateway | environment | ask a hosted API for one token",
        ]

    @pytest.mark.parametrize("change", [{"desired": 1, "running": 1}, {"rollout": "FAILED"}])
    def test_another_number_or_a_change_given_up_is_moved_again(self, change: Any) -> None:
        """By the same revision."""
        planned = plan(same_fleet(), gateway(service=replace(WELL.service, **change)))
        assert planned.waves[0].steps[0].action == MoveGateway(SECOND.arn, 2, SECOND.arn)

    def test_some_hosts_leave_it_as_it_is(self) -> None:
        """And that is said, where there is one."""
        some = same_fleet(partial=True)
        assert "only some hosts: the gateway stays as it is" in plan(some, None).notes
        without = plan_deploy(samples.environment(), TARGET, some)
        assert "only some hosts: the gateway stays as it is" not in without.notes


class TestWhatIsRefused:
    """Before anything is changed."""

    def test_an_empty_key(self) -> None:
        """By the secret's name, with the command that fills it."""
        error = refused(gateway(secrets={OPENAI: False, ANTHROPIC: True}))
        assert str(error) == (
            "the gateway lacks 1 key(s); nothing was changed"
            f"\n  openai needs an API key, and the secret {OPENAI} holds none"
            f"\n    aws secretsmanager put-secret-value --secret-id {OPENAI}"
            " --secret-string file://KEY, or take the provider out"
            "\n  next: fill what is named above, then run the same command again"
        )

    def test_a_secret_that_was_never_made(self) -> None:
        """A provider was added, and `pulumi up` did not run since."""
        error = refused(gateway(secrets={OPENAI: True, ANTHROPIC: None}))
        assert error.message == f"there is no secret {ANTHROPIC}; nothing was changed"
        assert error.hint.startswith("run `pulumi up` first")

    def test_a_revision_with_other_images(self) -> None:
        """The program that deploys is newer than what was described."""
        error = refused(gateway(newest=revision(2, "image:of-before")))
        assert str(error) == (
            "llm-fleet-test-gateway:2, the newest that was described of the gateway, has other"
            " images; nothing was changed"
            f"\n  gateway: image:of-before, not {IMAGE}"
            "\n  next: run `pulumi up` first: it describes the tasks that a deploy starts"
        )

    def test_a_model_that_it_would_not_know(self) -> None:
        """`--model`, or a file that changed since: its clients would get 404 in an outage."""
        error = refused(gateway(newest=revision(2, IMAGE, "qwen2.5-7b")))
        assert "answers to qwen2.5-7b and not to mistral-7b" in error.message

    @pytest.mark.parametrize("document", ["", "{", "[]", '{"names": 1}'])
    def test_a_document_that_nobody_can_read_is_not_refused_for_its_names(
        self, document: str
    ) -> None:
        """What is unknown is not wrong; that it is another one is said."""
        odd = replace(SECOND, told={**SECOND.told, "GATEWAY": document})
        planned = plan(same_fleet(), gateway(newest=odd))
        assert "is not what the environment's file says (longest_tokens, names)" in str(
            planned.notes
        )


class TestNotes:
    def test_a_file_that_changed_since_pulumi_up(self) -> None:
        """Named by what differs; the deploy goes on with what was described."""
        other = revision(2, IMAGE, longest_tokens=8192)
        other = replace(other, told={**other.told, "NGINX_CONF": "http {}"})
        assert [*way_out.notes(gateway(newest=other))] == [
            "llm-fleet-test-gateway:2 is not what the environment's file says"
            " (longest_tokens, front): `pulumi up`"
        ]

    def test_a_name_that_it_gives_up(self) -> None:
        """Whoever goes back to that model later has no way out until the gateway goes back too."""
        before = revision(1, IMAGE, "mistral-7b", "old-name")
        [note] = way_out.notes(gateway(OF_BEFORE, runs=before))
        assert note == (
            "from then on the gateway does not answer to old-name, also when hosts go back to it"
        )

    def test_a_gateway_without_tasks_gives_nothing_up(self) -> None:
        """It never answered to it."""
        before = revision(1, IMAGE, "old-name")
        empty = ServiceNow(before.arn, 0, 0)
        assert [*way_out.notes(gateway(runs=before, service=empty))] == []
