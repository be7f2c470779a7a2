"""What ``fab cost.decide`` says."""

from __future__ import annotations

from typing import Any

from provision.planning.cost.decide import FACTORS, Decision, Factor, Flip
from provision.report.table import table

_HIGHEST = 2 * len(FACTORS)
_BY_NAME = {factor.name: factor for factor in FACTORS}


def document(decision: Decision) -> dict[str, Any]:
    """For ``--json``."""
    return {
        "score": decision.score,
        "tier": decision.tier.value,
        "tier_by_score": decision.by_score.value,
        "reason": decision.reason,
        "factors": [
            {
                "factor": factor.name,
                "answer": factor.words[decision.scores[factor.name]],
                "score": decision.scores[factor.name],
            }
            for factor in FACTORS
        ],
        "flips": [_flip(flip) for flip in decision.flips],
        "checklist": list(decision.checklist),
    }


def text(decision: Decision) -> str:
    """The answers with their scores, the tier, what would change it, and what to do next."""
    rows = [_row(factor, decision.scores[factor.name]) for factor in FACTORS]
    scores = table([*rows, ("score", f"{decision.score} of {_HIGHEST}", "")], right=())
    return "\n".join(
        [
            *scores,
            "",
            _verdict(decision),
            "",
            *_flips(decision),
            "",
            "before it is live",
            *(f"  [ ] {item}" for item in decision.checklist),
        ]
    )


def _row(factor: Factor, score: int) -> tuple[str, str, str]:
    word = factor.words[score]
    return factor.name, str(score), f"{word}: {factor.answers[word]}"


def _verdict(decision: Decision) -> str:
    if not decision.reason:
        return f"{decision.tier}"
    return f"{decision.tier} ({decision.by_score} by the score alone): {decision.reason}"


def _flips(decision: Decision) -> list[str]:
    if not decision.flips:
        return ["no single answer would change this"]
    rows = [
        (f"  {flip.factor}", f"{_word(flip.factor, flip.after)}:", f"{flip.tier} ({flip.score})")
        for flip in decision.flips
    ]
    return ["another answer that would change this", *table(rows)]


def _flip(flip: Flip) -> dict[str, Any]:
    return {
        "factor": flip.factor,
        "from": _word(flip.factor, flip.before),
        "to": _word(flip.factor, flip.after),
        "score": flip.score,
        "tier": flip.tier.value,
    }


def _word(factor: str, score: int) -> str:
    return _BY_NAME[factor].words[score]
