"""Seven answers, a tier, and what would change it."""

from __future__ import annotations

from functools import cache
from itertools import product

import pytest

from provision.planning.cost.decide import FACTORS, Decision, Tier, by_score, checklist, decide

NAMES = tuple(factor.name for factor in FACTORS)
EVERY = [dict(zip(NAMES, scores, strict=True)) for scores in product(range(3), repeat=7)]
ORDER = list(Tier)


def scores(**changes: int) -> dict[str, int]:
    return {**dict.fromkeys(NAMES, 0), **changes}


def test_the_seven_factors() -> None:
    """In the guide's order, three answers each."""
    assert NAMES == (
        "volume",
        "latency",
        "privacy",
        "customisation",
        "team",
        "budget",
        "freshness",
    )
    assert all(len(factor.answers) == 3 for factor in FACTORS)


@pytest.mark.parametrize(
    ("score", "tier"),
    [
        (0, Tier.API_FIRST),
        (4, Tier.API_FIRST),
        (5, Tier.HYBRID),
        (9, Tier.HYBRID),
        (10, Tier.SELF_HOST_FIRST),
        (14, Tier.SELF_HOST_FIRST),
    ],
)
def test_the_bands_of_the_score(score: int, tier: Tier) -> None:
    """0 to 4, 5 to 9, 10 to 14."""
    assert by_score(score) is tier


def test_the_score_is_the_sum() -> None:
    """And the tier its band where nothing dominates."""
    found = decide(scores(volume=1, latency=2, team=2))
    assert (found.score, found.tier, found.reason) == (5, Tier.HYBRID, "")


def test_prompts_that_must_stay_need_hosts() -> None:
    """Privacy lifts the lowest score: what may not leave can't go to an API."""
    found = decide(scores(privacy=2))
    assert (found.score, found.by_score, found.tier) == (2, Tier.API_FIRST, Tier.HYBRID)
    assert "whatever the score" in found.reason


def test_much_traffic_lifts_too() -> None:
    """Above 50 million tokens a day it is worth a calculation."""
    assert decide(scores(volume=2)).tier is Tier.HYBRID


def test_both_together_decide() -> None:
    """Closed and many: self-host first at a score of 4."""
    found = decide(scores(privacy=2, volume=2))
    assert (found.score, found.tier) == (4, Tier.SELF_HOST_FIRST)


def test_a_high_score_without_either_stays_hybrid() -> None:
    """A team that would like to, and no need."""
    found = decide(scores(latency=2, customisation=2, team=2, budget=2, freshness=2))
    assert (found.score, found.by_score) == (10, Tier.SELF_HOST_FIRST)
    assert (found.tier, found.reason) == (
        Tier.HYBRID,
        "neither privacy nor volume asks for hosts of your own",
    )


def test_a_flip_is_one_other_answer_that_leads_elsewhere() -> None:
    """All of them and no other, for every possible set of answers."""
    decided = everything()
    for answers in EVERY:
        found = decided[key(answers)]
        flips = {(flip.factor, flip.after): flip for flip in found.flips}
        for name, other in product(NAMES, range(3)):
            there = decided[key({**answers, name: other})]
            assert ((name, other) in flips) is (there.tier is not found.tier)
            if flip := flips.get((name, other)):
                assert (flip.before, flip.score, flip.tier) == (
                    answers[name],
                    there.score,
                    there.tier,
                )


def test_no_answer_for_self_hosting_ever_speaks_against_it() -> None:
    """A higher answer never leads to a lower tier."""
    tiers = {answers: ORDER.index(found.tier) for answers, found in everything().items()}
    for answers in EVERY:
        for name in NAMES:
            if answers[name] < 2:
                higher = key({**answers, name: answers[name] + 1})
                assert tiers[higher] >= tiers[key(answers)]


@cache
def everything() -> dict[tuple[int, ...], Decision]:
    """The decision for each possible set of answers."""
    return {key(answers): decide(answers) for answers in EVERY}


def key(answers: dict[str, int]) -> tuple[int, ...]:
    return tuple(answers.values())


@pytest.mark.parametrize("tier", list(Tier))
def test_every_tier_has_a_checklist(tier: Tier) -> None:
    """What all need, then what only this one needs; nothing twice."""
    items = checklist(tier)
    assert "a spend alert at 80 % from day one" in items
    assert len(items) == len(set(items)) >= 10
