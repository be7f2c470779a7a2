"""Asking for a token: what each answer proves, and that no answer takes longer than allowed."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from provision.switch.ask import Question, ask, ask_at_once
from provision.switch.handler import SystemClock
from provision.switch.values import Outcome
from tests.switch.tiers import Tier, serving

CLOCK = SystemClock()


@pytest.fixture
def tier() -> Iterator[Tier]:
    with serving(Tier()) as served:
        yield served


def question(tier: Tier, **others: object) -> Question:
    said = Question(
        url=tier.url,
        model="mistral-7b",
        chat=False,
        tier="primary",
        deadline_s=0.3,
        unreachable=Outcome.UNCLEAR,
        headers={"x-llm-probe": "1"},
    )
    return replace(said, **others)


class TestTheQuestion:
    def test_is_a_clients_with_the_probe_header(self, tier: Tier) -> None:
        """The key, one token, greedy."""
        ask(question(tier), "sk-fleet-probe", CLOCK)
        (asked,) = tier.asked
        assert asked["path"] == "/v1/completions"
        assert asked["headers"]["authorization"] == "Bearer sk-fleet-probe"
        assert asked["headers"]["x-llm-probe"] == "1"
        assert (asked["body"]["max_tokens"], asked["body"]["temperature"]) == (1, 0)

    def test_asks_a_chat_model_with_messages(self, tier: Tier) -> None:
        """As its clients do."""
        ask(question(tier, chat=True), "key", CLOCK)
        (asked,) = tier.asked
        assert asked["path"] == "/v1/chat/completions"
        assert asked["body"]["messages"][0]["content"].endswith(" ping")

    def test_is_never_the_same_twice(self, tier: Tier) -> None:
        """A cache that answers proves nothing."""
        for _ in range(2):
            ask(question(tier), "key", CLOCK)
        first, second = (asked["body"]["prompt"] for asked in tier.asked)
        assert first != second


class TestTheAnswer:
    @pytest.mark.parametrize(
        ("status", "tier_said", "code", "outcome"),
        [
            (200, "primary", None, Outcome.GOOD),
            (200, "hosted", None, Outcome.UNCLEAR),
            (200, None, None, Outcome.UNCLEAR),
            (429, "primary", None, Outcome.FULL),
            (503, "primary", None, Outcome.FULL),
            (503, "primary", 503, Outcome.FULL),
            (503, "primary", "engine_unreachable", Outcome.FAILED),
            (503, "primary", "key_check_failed", Outcome.UNCLEAR),
            (429, "primary", "rate_limit_exceeded", Outcome.UNCLEAR),
            (503, None, None, Outcome.FAILED),
            (500, "primary", None, Outcome.FAILED),
            (502, "primary", "engine_unreachable", Outcome.FAILED),
            (504, None, None, Outcome.FAILED),
            (401, "primary", "invalid_api_key", Outcome.UNCLEAR),
            (403, None, None, Outcome.UNCLEAR),
            (404, None, None, Outcome.UNCLEAR),
            (400, "primary", None, Outcome.UNCLEAR),
            (301, None, None, Outcome.UNCLEAR),
        ],
    )
    def test_proves_what_it_can(
        self, tier: Tier, status: int, tier_said: str | None, code: object, outcome: Outcome
    ) -> None:
        """Only who asked the engine can say that it is dead; full is not dead."""
        tier.tier = tier_said
        if status != 200:
            tier.refuse(status, code)
        assert ask(question(tier), "key", CLOCK).outcome is outcome

    def test_says_what_came(self, tier: Tier) -> None:
        """For the audit line."""
        tier.refuse(502, "engine_unreachable")
        token = ask(question(tier), "key", CLOCK)
        assert token.detail == "HTTP 502 engine_unreachable"
        tier.tier, tier.status = "hosted", 200
        assert ask(question(tier), "key", CLOCK).detail == "hosted answered instead of primary"

    def test_that_is_no_json_counts_by_its_status(self, tier: Tier) -> None:
        """A load balancer answers in HTML."""
        tier.status, tier.tier, tier.body = 502, None, "<html>"
        assert ask(question(tier), "key", CLOCK).outcome is Outcome.FAILED


class TestSilence:
    def test_before_the_answer_fails_at_the_deadline(self, tier: Tier) -> None:
        """A hung engine."""
        tier.hang = threading.Event()
        self.fails_in_time(tier)

    def test_in_the_middle_of_an_answer_fails_at_the_deadline_too(self, tier: Tier) -> None:
        """One deadline for the whole, not one for each read."""
        tier.drip = threading.Event()
        self.fails_in_time(tier)

    def test_between_bytes_that_trickle_in_fails_at_the_deadline_too(self, tier: Tier) -> None:
        """Each byte comes in time, the answer does not."""
        tier.trickle_s = 0.1
        self.fails_in_time(tier)

    def fails_in_time(self, tier: Tier) -> None:
        begun = time.monotonic()
        token = ask(question(tier), "key", CLOCK)
        assert token.outcome is Outcome.FAILED
        assert token.detail.startswith("no answer after 0.")
        assert time.monotonic() - begun < 2

    def test_of_a_cut_connection_fails(self, tier: Tier) -> None:
        """The engine's host died in the middle."""
        tier.cut = True
        assert ask(question(tier), "key", CLOCK).outcome is Outcome.FAILED

    @pytest.mark.parametrize("unreachable", [Outcome.UNCLEAR, Outcome.FAILED])
    def test_of_nobody_there_means_what_the_question_says(
        self, tier: Tier, unreachable: Outcome
    ) -> None:
        """No load balancer says nothing of the fleet; no gateway is a dead fallback."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        asked = question(tier, url=f"http://127.0.0.1:{port}", unreachable=unreachable)
        token = ask(asked, "key", CLOCK)
        assert token.outcome is unreachable
        assert token.detail.startswith("no connection: ")

    def test_of_a_wrong_certificate_is_no_connection(self, tier: Tier) -> None:
        """Whoever is there, it is not the load balancer."""
        asked = question(tier, url=tier.url.replace("http:", "https:"))
        assert ask(asked, "key", CLOCK).outcome is Outcome.UNCLEAR


class TestAtOnce:
    def test_asks_side_by_side(self, tier: Tier) -> None:
        """Three hung answers take as long as one, and reach three hosts."""
        tier.hang = threading.Event()
        begun = time.monotonic()
        tokens = ask_at_once(question(tier), "key", 3, CLOCK)
        assert [token.outcome for token in tokens] == [Outcome.FAILED] * 3
        assert time.monotonic() - begun < 2
        assert len(tier.asked) == 3

    def test_does_not_wait_for_a_resolver_that_never_answers(
        self, tier: Tier, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Looking a name up has no time-out: the question's own deadline ends it."""
        over = threading.Event()
        monkeypatch.setattr("provision.switch.ask._RESOLVE_S", 0.1)
        monkeypatch.setattr(
            "provision.switch.ask.HTTPConnection.connect", lambda _: over.wait(10) and None
        )
        try:
            tokens = ask_at_once(question(tier), "key", 3, CLOCK)
        finally:
            over.set()
        assert {token.detail for token in tokens} == {"no connection in time"}
        assert {token.outcome for token in tokens} == {Outcome.UNCLEAR}
