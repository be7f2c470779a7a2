"""The gateway in ``fab status`` and ``fab doctor``."""

from __future__ import annotations

from provision.errors import CloudError, OutputsMissing
from tests.playbooks.conftest import Fleet
from tests.playbooks.gateways import give


def test_status_has_a_line_of_it(fleet: Fleet) -> None:
    """How many tasks run, by which revision, and how many are healthy."""
    service = give(fleet, tasks=2)
    service.health["10.40.9.2"] = "draining"
    assert fleet.run("status").out.splitlines()[-1] == (
        "gateway: 2 of 2 task(s) run llm-fleet-test-gateway:1, 1 healthy"
    )


def test_status_goes_on_when_ecs_does_not_answer(fleet: Fleet) -> None:
    """Unknown is said as unknown."""
    give(fleet).failures["service"] = CloudError("ecs:describe_services failed: AccessDenied")
    said = fleet.run("status")
    assert said.code == 0
    assert said.out.splitlines()[-1] == (
        "gateway: unknown, ecs:describe_services failed: AccessDenied"
    )


def test_status_without_a_fallback(fleet: Fleet) -> None:
    """Not a word."""
    assert "gateway" not in fleet.run("status").out


def test_the_doctor_looks_at_it_with_all_hosts(fleet: Fleet) -> None:
    """Under its own name, with its own checks; not when only some hosts are asked for."""
    give(fleet, tasks=2, image=True)
    checked = {one["name"]: one["checks"] for one in fleet.run("doctor", "--json").json["checked"]}
    assert {check["check"]: check["state"] for check in checked["gateway"]} == {
        "gateway-tasks": "ok",
        "gateway-revision": "ok",
        "gateway-image": "ok",
        "openai-key": "ok",
        "anthropic-key": "ok",
    }
    assert "gateway" not in fleet.run("doctor", "--hosts", "i-1").out


def test_the_doctor_names_a_gateway_without_tasks(fleet: Fleet) -> None:
    """Exit 1, and what to run; logs are those of the environment."""
    service = give(fleet, image=True)
    said = fleet.run("doctor")
    assert said.code == 1
    assert "it has no tasks: there is no way out" in said.out
    service.move(service.newest().arn, 2)
    service.health = {}
    assert "run: aws logs tail /llm-fleet/test/gateway --since 30m" in fleet.run("doctor").out


def test_the_doctor_when_nobody_can_say(fleet: Fleet) -> None:
    """Unknown, unless `pulumi up` never made it: that is a fault."""
    service = give(fleet)
    service.failures["targets"] = CloudError("elbv2:describe_target_health failed: AccessDenied")
    said = fleet.run("doctor")
    assert "unknown  gateway  elbv2:describe_target_health failed: AccessDenied" in said.out
    assert "run: aws ecs list-services --cluster llm-fleet-test --region us-east-1" in said.out

    service.failures["newest"] = service.failures["service"] = OutputsMissing("never made")
    said = fleet.run("doctor")
    assert said.code == 1
    assert "FAILED  gateway  never made" in said.out
    assert "run: pulumi up -s test" in said.out
