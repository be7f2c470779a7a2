"""What happens when a rule of the timeout chain is broken, and that it does not when it is kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from provision.config.environment import EngineSettings
from provision.config.timeouts import _ORDER, chain
from tests.lab.quick.running import question
from tests.timeouts.way import TOKEN_S, TOKENS, WIRE_S, Way, standing

pytestmark = [pytest.mark.enable_socket, pytest.mark.lab]  # half a minute of real time
KEPT = chain(EngineSettings(longest_generation_s=5))
assert KEPT.longest_generation_s > TOKEN_S * TOKENS


def an_answer(way: Way) -> str:
    """One that takes three seconds."""
    return way.result()


def while_the_engine_is_stopped(way: Way) -> str:
    """Docker stops the engine while an answer is under way."""
    thread, results = way.in_background()
    stopping = way.stop_engine()
    thread.join()
    way.engine.process.kill()
    stopping.join()
    return results[0]


def while_the_target_leaves(way: Way) -> str:
    """The host is taken out of the load balancer while an answer is under way."""
    thread, results = way.in_background()
    way.deregister()
    thread.join()
    return results[0]


def as_the_front_hangs_up(way: Way) -> str:
    """A second request, which passes on the wire the end of a connection idle for a second."""
    return _again(way, 1 - WIRE_S / 2)


def as_the_engine_hangs_up(way: Way) -> str:
    """The same, one wire further: the first answer and the second request pass it, too."""
    return _again(way, 1 - WIRE_S / 2 - 2 * WIRE_S)


def _again(way: Way, pause_s: float) -> str:
    assert way.result(1) == "whole"
    time.sleep(pause_s)
    return way.result(1)


@dataclass(frozen=True)
class Broken:
    """One timeout that is too short: which, what is done, and what a client sees of it."""

    name: str
    story: Callable[[Way], str]
    seen: str
    seconds: int = 1


CASES = [
    # No error and no end, until Docker kills the engine or the client gives up.
    Broken("engine_shutdown_s", while_the_engine_is_stopped, "ReadTimeout"),
    Broken("compose_grace_s", while_the_engine_is_stopped, "HTTP 502"),
    Broken("deregistration_delay_s", while_the_target_leaves, "RemoteProtocolError"),
    Broken("front_read_s", an_answer, "HTTP 504"),
    Broken("load_balancer_idle_s", an_answer, "HTTP 504"),
    Broken("front_keepalive_s", as_the_front_hangs_up, "HTTP 502"),
    Broken("engine_keepalive_s", as_the_engine_hangs_up, "HTTP 502"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_broken_it_costs_an_answer(case: Broken) -> None:
    """And `fab config.check` names exactly this rule."""
    broken = replace(KEPT, **{case.name: case.seconds})
    assert [problem.path for problem in broken.problems()] == [f"timeouts.{case.name}"]

    with standing(broken) as way:
        assert case.story(way) == case.seen


@pytest.mark.parametrize("story", dict.fromkeys(case.story for case in CASES))
def test_kept_it_costs_none(story: Callable[[Way], str]) -> None:
    """The chain of the same longest generation, as an environment gets it."""
    assert KEPT.problems() == ()

    with standing(KEPT) as way:
        assert story(way) == "whole"


def test_no_rule_is_left_out() -> None:
    """Each rule of the chain has a story."""
    assert [case.name for case in CASES] == [shorter for shorter, *_ in _ORDER]


def test_a_stream_does_not_care_how_long_the_front_reads() -> None:
    """Only silence counts: the same answer, streamed, is whole."""
    with standing(replace(KEPT, front_read_s=1)) as way:
        body = question(max_tokens=TOKENS, stream=True)
        answer = way.client.post("/v1/chat/completions", json=body)

        assert answer.text.rstrip().endswith("data: [DONE]")
