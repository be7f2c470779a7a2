"""A host with one engine and a gateway: the front learns when it had better ask the gateway."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from provision.agent import containers
from provision.agent.out import Out
from provision.agent.serve import Agent
from tests.agent.conftest import AGENT_JSON, World, make_release
from tests.agent.fakes import EngineBehaviour, stub_engine
from tests.agent.test_serve import KEYS, SECRET, Served


class Only(Served):
    """Its front leaves out the only engine."""

    def __init__(self, world: World, engine: EngineBehaviour, port: int) -> None:
        super().__init__(world, engine, port)
        told: dict[str, Any] = {**AGENT_JSON, "replicas": [{"index": 0, "port": port}]}
        self.one = make_release("spill", agent={**told, "leaves_out": True})
        self.two = make_release("none", agent=told)

    @property
    def out(self) -> set[int]:
        """What the front sees."""
        return set(Out(self.world.paths.out).indexes())


@pytest.fixture
def only(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Only]:
    monkeypatch.setattr(containers, "engine_answers", lambda _port: True)
    monkeypatch.setattr(Agent, "_spawn", lambda *_: None)
    monkeypatch.setattr("os.execv", lambda *_: None)
    world.host.cloud.client("secretsmanager").create_secret(Name=SECRET, SecretString=KEYS)
    behaviour = EngineBehaviour(healthy=False)
    with stub_engine(behaviour) as port:
        yield Only(world, behaviour, port)


def test_nobody_waits_for_an_engine_that_is_not_ready(only: Only) -> None:
    """While it loads, warms up and hangs; from its first good warm-up on it is asked again."""
    only.apply(only.one)
    only.until("starting")
    only.turn(2)
    assert only.out == {0}
    only.engine.healthy = True
    only.until("ready")
    assert only.out == set()
    assert only.agent.deep() == (True, "")

    only.engine.status = 500
    only.until("hung")
    assert only.out == {0}
    assert only.agent.deep()[0] is False
    only.engine.status = 200
    only.until("ready")
    assert only.out == set()


def test_a_full_engine_is_not_left_out(only: Only) -> None:
    """Its front finds out with each request; it may have room for the next one."""
    only.apply(only.one)
    only.engine.healthy = True
    only.until("ready")
    only.engine.status = 503
    only.turn(60)
    assert (only.agent.status()["state"], only.out) == ("ready", set())


def test_a_host_without_a_gateway_marks_nothing(only: Only) -> None:
    """Its front would not look."""
    only.apply(only.two)
    only.engine.healthy = True
    only.until("ready")
    only.engine.status = 500
    only.until("hung")
    assert only.out == set()
