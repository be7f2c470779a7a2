"""Whom ECS starts and ends, as its documentation says."""

from __future__ import annotations

import json

import pytest

from provision.catalog.models import model
from provision.catalog.prices.load import load as load_prices
from provision.config.load import REHEARSAL, load
from provision.config.timeouts import chain
from provision.render.front import gateway_config
from provision.render.gateway import gateway_document
from provision.render.gateway_task import containers as rendered
from rehearsal.ecs_rules import Moves, State, TaskNow, containers, gives_up, moves
from tests.infra.scenes import ROOT

OLD, NEW = "gateway:1", "gateway:2"
STARTING, SERVING, LEAVING = State.STARTING, State.SERVING, State.LEAVING


def tasks(*said: tuple[str, str, State]) -> list[TaskNow]:
    return [TaskNow(*one) for one in said]


@pytest.mark.parametrize(
    ("desired", "now", "expected"),
    [
        (2, [], Moves(start=2)),
        (2, [("a", NEW, STARTING)], Moves(start=1)),
        (2, [("a", NEW, SERVING), ("b", NEW, STARTING)], Moves()),
        # The old one stays until as many new ones serve as are wanted.
        (1, [("a", OLD, SERVING)], Moves(start=1)),
        (1, [("a", OLD, SERVING), ("b", NEW, STARTING)], Moves()),
        (1, [("a", OLD, SERVING), ("b", NEW, SERVING)], Moves(end=("a",))),
        # Who leaves already is nobody's task any more.
        (1, [("a", NEW, LEAVING)], Moves(start=1)),
        (0, [("a", NEW, SERVING), ("b", OLD, STARTING)], Moves(end=("a", "b"))),
        # One too many: rather the one that does not serve yet.
        (1, [("a", NEW, SERVING), ("b", NEW, STARTING)], Moves(end=("b",))),
    ],
)
def test_whom_it_starts_and_ends(
    desired: int, now: list[tuple[str, str, State]], expected: Moves
) -> None:
    """At least all, at most twice as many."""
    assert moves(NEW, desired, tasks(*now)) == expected


@pytest.mark.parametrize(
    ("failures", "desired", "expected"),
    [(2, 1, False), (3, 1, True), (4, 10, False), (5, 10, True)],
)
def test_when_it_gives_up(failures: int, desired: int, expected: bool) -> None:
    """Half as many failures as tasks, at least three."""
    assert gives_up(failures, desired) is expected


def test_the_gateway_s_own_task_can_be_run() -> None:
    """What the program describes: the gateway with its check first, then the front that waits."""
    environment = load(REHEARSAL, folder=ROOT)
    definition = rendered(
        environment,
        gateway_image="registry/repository:gateway-1",
        front_image="registry/repository:front-1",
        document=gateway_document(
            environment, model=model(environment.model.name), book=load_prices()
        ),
        nginx_config=gateway_config(environment.front, chain=chain(environment.engine)),
        log_group="logs",
    )
    gateway, front = containers({"containerDefinitions": [*reversed(definition)]})
    assert (gateway.name, front.name) == ("gateway", "front")
    assert gateway.command == ()
    assert gateway.check[0] == "python3"
    assert json.loads(gateway.variables["GATEWAY"])["environment"] == "rehearsal"
    assert front.command[:2] == ("sh", "-c")
    assert front.variables["NGINX_CONF"].startswith("# The front")


def test_containers_that_wait_for_each_other() -> None:
    """ECS would refuse them; a follower must not wait for ever."""
    one = {"name": "a", "image": "i", "dependsOn": [{"containerName": "b"}]}
    other = {"name": "b", "image": "i", "dependsOn": [{"containerName": "a"}]}
    with pytest.raises(ValueError, match="wait for each other: a, b"):
        containers({"containerDefinitions": [one, other]})
