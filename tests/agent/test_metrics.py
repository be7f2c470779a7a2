"""What an engine says of itself, in vLLM's own names."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.agent.metrics import Metrics, Served, first_tokens_since, parse_metrics
from tests.agent.fakes import COUNTERS, METRICS

NUMBERS = dict(zip(COUNTERS, (40.0, 9.0, 6.0, 1.0, 41.0, 8.2), strict=True))
COUNTS = st.builds(Served, *[st.integers(0, 1000).map(float)] * 6)


def test_of_the_real_names() -> None:
    """What clients asked, not what they read: only questions count, by their status."""
    seen = parse_metrics(METRICS.format(steps=17, **NUMBERS))
    assert seen == Metrics(
        running=2, waiting=1, kv_usage=0.25, steps=17.0, served=Served(**NUMBERS)
    )


def test_several_cores_are_added() -> None:
    """Data parallel engines report once each."""
    text = 'vllm:num_requests_running{engine="0"} 2\nvllm:num_requests_running{engine="1"} 3.0\n'
    assert parse_metrics(text).running == 5


def test_unknown_is_none() -> None:
    """An engine that says nothing is not an idle engine."""
    assert parse_metrics("") == Metrics()
    assert parse_metrics("vllm:num_requests_running NaN\n").running is None


class TestErrors:
    @pytest.mark.parametrize(
        ("served", "errors"),
        [
            (Served(failed=5), 5),
            (Served(failed=5, refused=5), 0),
            (Served(failed=5, refused=3), 2),
            (Served(refused=26), 0),
            (Served(failed=2, broken=3), 3),
            (Served(broken=2), 2),
            (Served(answered=100), 0),
        ],
        ids=["5xx", "full", "both", "many-prompts", "whole-and-streamed", "streamed", "none"],
    )
    def test_a_full_queue_is_none(self, served: Served, errors: int) -> None:
        """vLLM counts 503 and 500 together, and what its queue refused beside it."""
        assert served.errors == errors

    @given(COUNTS, st.integers(0, 500))
    def test_refusals_never_add_one(self, served: Served, more: int) -> None:
        """Whatever else happened, questions that a full queue refused change no number."""
        full = served.plus(Served(failed=more, refused=more))
        assert full.errors == served.errors


@given(COUNTS, COUNTS)
def test_what_came_after_is_the_difference(before: Served, after: Served) -> None:
    """And survives the way through a status document."""
    total = before.plus(after)
    assert Served.parse(total.to_json()).since(before) == after


def test_no_first_token_has_no_mean() -> None:
    """Unknown, not 0."""
    assert Served().mean_first_token_s is None
    assert Served(first_tokens=4, first_tokens_s=2.0).mean_first_token_s == 0.5


BOUNDS = (0.1, 0.5, 2.5, math.inf)
LATE = st.lists(st.integers(0, 50), min_size=len(BOUNDS), max_size=len(BOUNDS))


def histogram(late: list[int]) -> Metrics:
    """As an engine shows it: each bucket holds those before it as well."""
    lines, total = [], 0
    for bound, count in zip(BOUNDS, late, strict=True):
        total += count
        le = "+Inf" if math.isinf(bound) else str(bound)
        name = "vllm:time_to_first_token_seconds_bucket"
        lines.append(f'{name}{{engine="0",le="{le}",model_name="m"}} {float(total)}\n')
    return parse_metrics("".join(lines))


class TestFirstTokens:
    @given(LATE, LATE)
    def test_each_comes_once_in_the_bucket_it_came_in(
        self, before: list[int], more: list[int]
    ) -> None:
        """Those beyond the last bound as that late."""
        after = [a + b for a, b in zip(before, more, strict=True)]
        found = first_tokens_since(histogram(before), histogram(after))
        bounds = (*BOUNDS[:-1], BOUNDS[-2])
        assert found == [(b, n) for b, n in zip(bounds, more, strict=True) if n]

    def test_of_several_cores_they_are_added(self) -> None:
        """Data parallel engines report once each."""
        name = "vllm:time_to_first_token_seconds_bucket"
        text = "".join(f'{name}{{engine="{core}",le="0.5"}} {core + 2}\n' for core in (0, 1))
        assert parse_metrics(text).first_tokens == ((0.5, 5.0),)

    def test_another_start_says_nothing_of_this_one(self) -> None:
        """Counters that fell, or that nobody had seen before."""
        assert first_tokens_since(histogram([5, 0, 0, 0]), histogram([3, 0, 0, 0])) == []
        assert first_tokens_since(histogram([0, 5, 0, 0]), histogram([5, 0, 0, 0])) == []
        assert first_tokens_since(Metrics(), histogram([3, 0, 0, 0])) == []
