"""Answers as people write them."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from provision.errors import ConfigError
from provision.planning.cost.answers import parse, template
from provision.planning.cost.decide import FACTORS

GOOD: dict[str, Any] = {
    "volume": "medium",
    "latency": "brisk",
    "privacy": "contract",
    "customisation": "adapters",
    "team": "some",
    "budget": "bounded",
    "freshness": "months",
}


def score(factor: str, said: Any) -> int:
    return parse({**GOOD, factor: said}, source="answers.yaml")[factor]


def problems(document: dict[Any, Any]) -> list[tuple[str, str, str]]:
    with pytest.raises(ConfigError) as failed:
        parse(document, source="answers.yaml")
    return [(p.path, p.message, p.hint) for p in failed.value.problems]


def test_words() -> None:
    """The middle answer of each."""
    assert parse(GOOD, source="answers.yaml") == dict.fromkeys(GOOD, 1)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("low", 0),
        (0, 0),
        (2, 2),
        ("4.9M", 0),
        ("5M", 1),
        (12_000_000, 1),
        ("12,000,000", 1),
        ("50M", 1),
        ("51M", 2),
        ("2B", 2),
        ("800k", 0),
    ],
)
def test_a_volume_may_be_counted(said: Any, expected: int) -> None:
    """Tokens a day: below 5 million, to 50 million, above."""
    assert score("volume", said) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [("800ms", 0), ("501 ms", 0), ("500ms", 1), ("200ms", 1), ("199ms", 2), ("instant", 2)],
)
def test_a_latency_may_be_measured(said: Any, expected: int) -> None:
    """To the first token."""
    assert score("latency", said) == expected


def test_other_spellings_of_the_factors() -> None:
    """As the guide and Americans call them."""
    document = {**GOOD, "customization": "weights", "model_freshness": "stable"}
    del document["customisation"], document["freshness"]
    found = parse(document, source="answers.yaml")
    assert (found["customisation"], found["freshness"]) == (2, 2)


def test_every_problem_at_once() -> None:
    """A factor that is none, one without an answer, and an answer that is none."""
    document = {**GOOD, "privcy": "open", "team": "me", "budget": None}
    assert problems(document) == [
        ("privcy", "is no factor", "did you mean privacy?"),
        ("team", "'me' is no answer", "nobody | some | platform"),
        ("budget", "is not answered", "flexible | bounded | fixed"),
    ]


@pytest.mark.parametrize("said", ["-5M", "3", "many", "", True, [1], "1e9"])
def test_what_is_no_volume(said: Any) -> None:
    """Negative, no number, or no score. 3 tokens a day are a volume, and a low one."""
    if said == "3":
        assert score("volume", said) == 0
    else:
        assert problems({**GOOD, "volume": said})[0][0] == "volume"


def test_the_template_is_a_file_of_answers() -> None:
    """It is read as it is printed, and names every factor with all of its answers."""
    document = yaml.safe_load(template())
    assert list(document) == [factor.name for factor in FACTORS]
    assert set(parse(document, source="template").values()) == {1}
