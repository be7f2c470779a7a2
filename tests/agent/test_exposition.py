"""Prometheus' text form, read back by a parser of its own."""

from __future__ import annotations

import math
import re

from hypothesis import given
from hypothesis import strategies as st

from provision.agent.exposition import Family, text

SAMPLE = re.compile(r'^([a-z_:]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)*)\})? (\S+)$')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')
VALUES = st.floats(allow_nan=False) | st.integers(-(2**53), 2**53)


def read(body: str) -> list[tuple[str, dict[str, str], float]]:
    found = []
    for line in body.split("\n"):
        if line and not line.startswith("#"):
            match = SAMPLE.match(line)
            assert match, line
            labels = {
                name: re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), value)
                for name, value in LABEL.findall(match[2] or "")
            }
            found.append((match[1], labels, float(match[3])))
    return found


def test_a_family_in_full() -> None:
    """Help, type, and a line each."""
    family = Family("llm_fleet_answers_total", "counter", "Answers.")
    family.add(3, tier="primary", status=200).add(0.25, tier="hosted", status=503)
    assert text([family]) == (
        "# HELP llm_fleet_answers_total Answers.\n"
        "# TYPE llm_fleet_answers_total counter\n"
        'llm_fleet_answers_total{tier="primary",status="200"} 3\n'
        'llm_fleet_answers_total{tier="hosted",status="503"} 0.25\n'
    )


def test_the_unknown_is_left_out() -> None:
    """Not 0; and a family that knows nothing is not there at all."""
    assert text([Family("a", "gauge", "A.").add(None), Family("b", "gauge", "B.")]) == ""


@given(st.text(max_size=20), VALUES)
def test_every_label_and_value_comes_back(said: str, value: float) -> None:
    """Quotes, backslashes and new lines as well."""
    assert read(text([Family("a", "gauge", "A.").add(value, said=said)])) == [
        ("a", {"said": said}, float(value))
    ]


def test_what_is_no_finite_number_has_its_words() -> None:
    """As Prometheus has them."""
    body = text([Family("a", "gauge", "A.").add(math.inf, x=1).add(-math.inf, x=2).add(math.nan)])
    assert [line.split()[-1] for line in body.splitlines()[2:]] == ["+Inf", "-Inf", "NaN"]
