"""Answers to the seven questions, as people write them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from provision.catalog.lookup import nearest
from provision.errors import ConfigError, Problem
from provision.planning.cost.decide import FACTORS, Factor

_TOKENS = re.compile(r"(\d+(?:\.\d+)?) ?([kmb]?)", re.IGNORECASE)
_MILLISECONDS = re.compile(r"(\d+(?:\.\d+)?) ?ms", re.IGNORECASE)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9}
_FEW, _MANY = 5 * 10**6, 50 * 10**6  # tokens a day
_INSTANT_MS, _BRISK_MS = 200, 500
_HIGHEST = 2
_OTHERWISE = {
    "daily_volume": "volume",
    "customization": "customisation",
    "budget_predictability": "budget",
    "model_freshness": "freshness",
}


def parse(document: Mapping[Any, Any], *, source: str) -> dict[str, int]:
    """The score of each factor. Raises ConfigError with every problem of the document.

    An answer is one of its factor's words or its score; for ``volume`` also tokens a day
    (``12M``), for ``latency`` milliseconds (``300ms``).
    """
    answers = {_OTHERWISE.get(str(key), str(key)): said for key, said in document.items()}
    problems = [_stranger(key) for key in answers if key not in _NAMES]
    scores: dict[str, int] = {}
    for factor in FACTORS:
        said = answers.get(factor.name)
        score = None if said is None else score_of(factor, str(said))
        if score is None:
            problems.append(Problem(factor.name, _wrong(said), choices(factor)))
        else:
            scores[factor.name] = score
    if problems:
        raise ConfigError(source, problems)
    return scores


def score_of(factor: Factor, said: str) -> int | None:
    """0 to 2; None when *said* is no answer to it."""
    plain = said.strip().lower().replace(",", "").replace("_", "")
    if plain in factor.words:
        return factor.words.index(plain)
    if plain.isdecimal() and int(plain) <= _HIGHEST:
        return int(plain)
    if factor.name == "volume" and (tokens := _TOKENS.fullmatch(plain)):
        return _by_volume(Decimal(tokens[1]) * _UNITS[tokens[2].lower()])
    if factor.name == "latency" and (wait := _MILLISECONDS.fullmatch(plain)):
        return _by_latency(Decimal(wait[1]))
    return None


def choices(factor: Factor) -> str:
    """What can be answered, on one line."""
    more = {"volume": ", or tokens a day: 12M", "latency": ", or milliseconds: 300ms"}
    return " | ".join(factor.words) + more.get(factor.name, "")


def template() -> str:
    """A file to fill in: every question with its answers, the middle one taken."""
    lines = ["# Answers for `fab cost.decide --answers FILE`."]
    for factor in FACTORS:
        lines += ["", f"# {factor.question}"]
        lines += [f"#   {word}: {meaning}" for word, meaning in factor.answers.items()]
        lines.append(f"{factor.name}: {factor.words[1]}")
    return "\n".join(lines)


_NAMES = tuple(factor.name for factor in FACTORS)


def _by_volume(tokens: Decimal) -> int:
    return 0 if tokens < _FEW else 1 if tokens <= _MANY else 2


def _by_latency(milliseconds: Decimal) -> int:
    return 2 if milliseconds < _INSTANT_MS else 1 if milliseconds <= _BRISK_MS else 0


def _wrong(said: object) -> str:
    return "is not answered" if said is None else f"{said!r} is no answer"


def _stranger(key: str) -> Problem:
    close = nearest(key, _NAMES)
    known = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(_NAMES)}"
    return Problem(key, "is no factor", known)
