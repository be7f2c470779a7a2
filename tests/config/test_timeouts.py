"""The timeout chain."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.config.environment import EngineSettings
from provision.config.timeouts import LONGEST_GENERATION_MAX_S, TimeoutChain, chain

longest = st.integers(5, LONGEST_GENERATION_MAX_S)


def of(seconds: int) -> TimeoutChain:
    return chain(EngineSettings(longest_generation_s=seconds))


def test_two_minutes() -> None:
    """The chain for the default answer of two minutes, number by number."""
    assert asdict(of(120)) == {
        "longest_generation_s": 120,
        "engine_shutdown_s": 120,
        "compose_grace_s": 150,
        "deregistration_delay_s": 150,
        "load_balancer_idle_s": 165,
        "front_read_s": 150,
        "front_keepalive_s": 180,
        "front_upstream_keepalive_s": 60,
        "engine_keepalive_s": 75,
    }


@given(longest)
def test_a_derived_chain_holds(seconds: int) -> None:
    """Nobody cuts an answer off, and every backend outlives its caller's idle connection."""
    links = of(seconds)
    assert links.problems() == ()
    assert links.front_read_s >= links.longest_generation_s
    assert links.load_balancer_idle_s > links.front_read_s
    assert links.front_keepalive_s > links.load_balancer_idle_s
    assert links.engine_keepalive_s > links.front_upstream_keepalive_s
    assert links.deregistration_delay_s >= links.engine_shutdown_s >= links.longest_generation_s
    assert links.compose_grace_s >= links.engine_shutdown_s + 30
    assert links.deregistration_delay_s <= 3600
    assert links.load_balancer_idle_s <= 4000


@pytest.mark.parametrize(
    ("link", "seconds", "says"),
    [
        ("engine_shutdown_s", 119, "119 s is less than 120 s (longest_generation_s)"),
        ("compose_grace_s", 149, "149 s is less than 150 s (engine_shutdown_s + 30 s)"),
        ("deregistration_delay_s", 119, "119 s is less than 120 s (engine_shutdown_s)"),
        ("front_read_s", 119, "119 s is less than 120 s (longest_generation_s)"),
        ("load_balancer_idle_s", 150, "150 s is less than 151 s (front_read_s + 1 s)"),
        ("front_keepalive_s", 165, "165 s is less than 166 s (load_balancer_idle_s + 1 s)"),
        ("engine_keepalive_s", 60, "60 s is less than 61 s (front_upstream_keepalive_s + 1 s)"),
    ],
)
def test_a_broken_link_is_named(link: str, seconds: int, says: str) -> None:
    """One number that is one second short is one problem, at that number."""
    broken = replace(of(120), **{link: seconds})
    assert [(p.path, p.message) for p in broken.problems()] == [(f"timeouts.{link}", says)]


def test_aws_s_own_limit_is_named() -> None:
    """A generation longer than AWS lets a host drain is a problem of that setting."""
    assert of(LONGEST_GENERATION_MAX_S).problems() == ()
    problems = of(LONGEST_GENERATION_MAX_S + 1).problems()
    assert [(p.path, p.message) for p in problems] == [
        ("engine.longest_generation_s", "makes deregistration_delay_s 3601 s; AWS allows 3600 s")
    ]


@given(longest)
def test_every_link_is_explained(seconds: int) -> None:
    """The printed table has every number of the chain, once."""
    links = of(seconds)
    assert {name: value for name, value, _ in links.links()} == asdict(links)
    assert len(links.links()) == len(asdict(links))
