"""What the doctor says of a gateway, fault by fault."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from provision.facts.gateway import ServiceNow
from provision.planning.doctor_gateway import judge, words
from provision.planning.finding import Finding, State
from provision.planning.gateway import Gateway
from tests.planning.test_gateway import (
    ANTHROPIC,
    ENVIRONMENT,
    FIRST,
    IMAGE,
    OF_BEFORE,
    OPENAI,
    SECOND,
    WELL,
    gateway,
    revision,
)

TWO = ("healthy", "healthy")


def found(seen: Gateway, *states: str) -> dict[str, Finding]:
    """Check -> finding."""
    every = judge(ENVIRONMENT, seen, states or TWO, log_group="/llm-fleet/test/gateway")
    return {one.check: one for one in every}


def faults(seen: Gateway, *states: str) -> dict[str, tuple[str, str]]:
    """Check -> cause and command of what failed."""
    checks = found(seen, *states).values()
    return {one.check: (one.cause, one.command) for one in checks if one.state is not State.OK}


def service(**changes: Any) -> ServiceNow:
    return replace(WELL.service, **changes)


def test_all_is_well() -> None:
    """Every check says what it saw."""
    assert {name: one.cause for name, one in found(gateway()).items()} == {
        "gateway-tasks": "2 of 2 task(s) run llm-fleet-test-gateway:2, 2 healthy",
        "gateway-revision": "llm-fleet-test-gateway:2 is what the environment's file says",
        "gateway-image": "gateway-0123456789ab is in the registry",
        "openai-key": f"{OPENAI} has a value",
        "anthropic-key": f"{ANTHROPIC} has a value",
    }
    assert faults(gateway()) == {}


def test_it_was_never_deployed() -> None:
    """No tasks, no image: a deploy brings both."""
    new = gateway(service=service(desired=0, running=0), mirrored=False)
    assert faults(new, "unused") == {
        "gateway-tasks": ("it has no tasks: there is no way out", "fab deploy"),
        "gateway-image": (
            "gateway-0123456789ab is not in the registry: no new task can start",
            "fab deploy",
        ),
    }


@pytest.mark.parametrize(
    ("changes", "states", "cause"),
    [
        (
            {"running": 1, "events": ("unable to place a task", "older")},
            ("healthy",),
            "1 of 2 task(s) run llm-fleet-test-gateway:2, 1 healthy; ECS: unable to place a task",
        ),
        (
            {},
            ("healthy", "unhealthy"),
            "2 of 2 task(s) run llm-fleet-test-gateway:2, 1 healthy (others: unhealthy)",
        ),
    ],
)
def test_tasks_that_do_not_serve(changes: Any, states: tuple[str, ...], cause: str) -> None:
    """Their log says why."""
    command = "aws logs tail /llm-fleet/test/gateway --since 30m"
    seen = gateway(service=service(**changes))
    assert faults(seen, *states) == {"gateway-tasks": (cause, command)}


def test_somebody_scaled_it_by_hand() -> None:
    """The environment's file says how many."""
    seen = gateway(service=service(desired=1, running=1))
    cause, command = faults(seen, "healthy")["gateway-tasks"]
    assert cause.endswith("1 shall run, the file says 2")
    assert command == "fab deploy"


def test_a_revision_that_waits_for_a_deploy() -> None:
    """In the doctor's words and in those of `fab status`."""
    seen = gateway(OF_BEFORE)
    said = "2 of 2 task(s) run llm-fleet-test-gateway:1, 2 healthy"
    now = seen.now
    assert (
        words(now.service, now.newest, tasks=2, healthy=2)
        == f"{said}; llm-fleet-test-gateway:2 waits for `fab deploy`"
    )
    assert faults(seen) == {
        "gateway-revision": (
            "it shall run llm-fleet-test-gateway:1; llm-fleet-test-gateway:2 was described since",
            "fab deploy",
        )
    }


def test_a_file_that_changed_since() -> None:
    """`pulumi up` describes it."""
    other = revision(2, IMAGE, longest_tokens=8192)
    assert faults(gateway(newest=other)) == {
        "gateway-revision": (
            "llm-fleet-test-gateway:2 is not what the environment's file says (longest_tokens)",
            "pulumi up -s test",
        )
    }


def test_an_image_of_another_program() -> None:
    """Named by container."""
    assert faults(gateway(newest=replace(SECOND, images=FIRST.images))) == {
        "gateway-image": (
            "llm-fleet-test-gateway:2 has another image of gateway than this program makes",
            "pulumi up -s test",
        )
    }


def test_keys() -> None:
    """Empty, or never made."""
    assert faults(gateway(secrets={OPENAI: False, ANTHROPIC: None})) == {
        "openai-key": (
            f"{OPENAI} is empty",
            f"aws secretsmanager put-secret-value --secret-id {OPENAI} --secret-string file://KEY",
        ),
        "anthropic-key": (f"there is no secret {ANTHROPIC}", "pulumi up -s test"),
    }
