"""API, own fleet or both: seven answers, their score, and which single answer would change it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Tier(StrEnum):
    """What to do."""

    API_FIRST = "api-first"
    HYBRID = "hybrid"
    SELF_HOST_FIRST = "self-host-first"


@dataclass(frozen=True, slots=True)
class Factor:
    """A question with three answers: the first scores 0, the last 2 (for self-hosting).

    Attributes:
        answers: word -> what it means.
    """

    name: str
    question: str
    answers: Mapping[str, str]

    @property
    def words(self) -> tuple[str, ...]:
        """The three answers, by score."""
        return tuple(self.answers)


FACTORS = (
    Factor(
        "volume",
        "How many tokens a day, prompts and answers together?",
        {
            "low": "less than 5 million",
            "medium": "5 to 50 million",
            "high": "more than 50 million",
        },
    ),
    Factor(
        "latency",
        "How soon must the first token be there?",
        {
            "relaxed": "more than 500 ms is fine",
            "brisk": "within 200 to 500 ms",
            "instant": "within 200 ms",
        },
    ),
    Factor(
        "privacy",
        "May prompts leave your network?",
        {
            "open": "yes, to any provider",
            "contract": "only under a contract, or in one region",
            "closed": "no: law, customers or policy forbid it",
        },
    ),
    Factor(
        "customisation",
        "How much of the model must be your own?",
        {
            "prompts": "prompts and retrieval will do",
            "adapters": "a fine-tuned adapter now and then",
            "weights": "own weights, decoding or several adapters at once",
        },
    ),
    Factor(
        "team",
        "Who runs it when it breaks at night?",
        {
            "nobody": "nobody who knows GPUs, no one on call",
            "some": "engineers who run services, new to GPUs",
            "platform": "a team that is on call and has run GPUs",
        },
    ),
    Factor(
        "budget",
        "How predictable must the bill be?",
        {
            "flexible": "it may follow the traffic",
            "bounded": "it may move within limits",
            "fixed": "the same every month",
        },
    ),
    Factor(
        "freshness",
        "How soon do you need the newest models?",
        {
            "weeks": "at once: the best model there is, always",
            "months": "a good model, renewed now and then",
            "stable": "one that is proven and stays as it is",
        },
    ),
)
_HYBRID_FROM, _SELF_HOST_FROM = 5, 10
_DOMINANT = ("privacy", "volume")
_FULL = 2


@dataclass(frozen=True, slots=True)
class Flip:
    """One other answer that leads to another tier."""

    factor: str
    before: int
    after: int
    score: int
    tier: Tier


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows from the answers.

    Attributes:
        scores: factor -> 0 to 2.
        by_score: the tier of the score alone.
        reason: why *tier* is another one than *by_score*, "" when it is not.
    """

    scores: Mapping[str, int]
    score: int
    by_score: Tier
    tier: Tier
    reason: str
    flips: tuple[Flip, ...]
    checklist: tuple[str, ...]


def decide(scores: Mapping[str, int]) -> Decision:
    """The decision for *scores*, one from 0 to 2 for each of FACTORS."""
    score = sum(scores.values())
    tier, reason = _tier(scores)
    return Decision(
        scores=dict(scores),
        score=score,
        by_score=by_score(score),
        tier=tier,
        reason=reason,
        flips=tuple(_flips(scores, tier)),
        checklist=checklist(tier),
    )


def by_score(score: int) -> Tier:
    """0 to 4 API first, 5 to 9 hybrid, 10 to 14 self-host first."""
    if score < _HYBRID_FROM:
        return Tier.API_FIRST
    return Tier.HYBRID if score < _SELF_HOST_FROM else Tier.SELF_HOST_FIRST


def checklist(tier: Tier) -> tuple[str, ...]:
    """What to have done before it is live."""
    return _ALWAYS + _BY_TIER[tier]


def _tier(scores: Mapping[str, int]) -> tuple[Tier, str]:
    """Privacy and volume dominate: they can lift a low score, and a high one needs one of them."""
    plain = by_score(sum(scores.values()))
    full = [name for name in _DOMINANT if scores[name] == _FULL]
    if len(full) == len(_DOMINANT) and plain is not Tier.SELF_HOST_FIRST:
        return Tier.SELF_HOST_FIRST, "prompts must stay and there are many: that outweighs the rest"
    if full and plain is Tier.API_FIRST:
        return Tier.HYBRID, _LIFTED[full[0]]
    if plain is Tier.SELF_HOST_FIRST and not any(scores[name] for name in _DOMINANT):
        return Tier.HYBRID, "neither privacy nor volume asks for hosts of your own"
    return plain, ""


def _flips(scores: Mapping[str, int], tier: Tier) -> Iterator[Flip]:
    for factor in FACTORS:
        for other in range(_FULL + 1):
            changed = {**scores, factor.name: other}
            there, _ = _tier(changed)
            if there is not tier:
                yield Flip(factor.name, scores[factor.name], other, sum(changed.values()), there)


_LIFTED = {
    "privacy": "what may not leave your network needs hosts of your own, whatever the score",
    "volume": "at this volume a fleet may be cheaper, whatever the score: `fab cost.break-even`",
}
_ALWAYS = (
    "tokens a day and their mix are measured, not guessed",
    "`fab cost.break-even` says at which traffic a fleet pays, with the hosts for its busiest hour",
    "a golden set of 200 cases or more runs on every deploy",
    "one layer (LiteLLM) stands before all models, so that the decision can be reversed",
    "every call is logged: model, tokens, time to first token, total, cost, user",
    "requests have a token ceiling, and loops that run away are stopped",
    "a spend alert at 80 % from day one",
)
_GUARD = "the router watches time to first token and errors, and has a way out when they are bad"
_FLEET = (
    "`fab cost.preview` shows the whole bill, and budget.max_monthly_usd holds it",
    "`fab benchmark` has measured what a host carries at your mix",
    "the fallback is tried out, and its share alarms above 10 % for 5 minutes",
    "new models go to 5, 25, 50, 100 % of the traffic; worse quality, more than 2 % errors or more "
    "than 10 % fallback take them back",
)
_BY_TIER: Mapping[Tier, tuple[str, ...]] = {
    Tier.API_FIRST: (
        "a second provider answers when the first does not",
        "an exact-match cache, then a semantic one: 30 to 60 % fewer calls",
        "this decision is looked at again every quarter, and when the bill doubles",
    ),
    Tier.HYBRID: (
        "it is written down which requests must stay, and those get an error rather than leave",
        _GUARD,
        *_FLEET,
    ),
    Tier.SELF_HOST_FIRST: (
        _GUARD,
        *_FLEET,
        "someone is on call, and has practised a host's death and a rollback",
        "a year's commitment (`fab cost.reserve`) waits until a month of traffic was seen",
    ),
}
