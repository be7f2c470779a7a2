"""How clients were served before a host was taken away."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from provision.agent.before import WINDOW_S, Before, Window
from provision.agent.metrics import Served

LAYOUT = "mistral-7b, 2 engine(s) of 1 GPU(s)"


def served(answers: float) -> Served:
    return Served(answered=answers, first_tokens=answers, first_tokens_s=answers / 2)


class TestWindow:
    def test_the_last_minutes(self) -> None:
        """What is older than the window does not count."""
        window = Window()
        for minute in range(10):
            window.add(minute * 60.0, served(minute * 100.0))
        assert window.served() == served(WINDOW_S / 60 * 100)

    def test_nobody_looked_twice(self) -> None:
        """Unknown, not nothing; an engine that did not answer says nothing either."""
        window = Window()
        assert window.served() is None
        window.add(0.0, served(3))
        window.add(5.0, None)
        assert window.served() is None

    def test_counters_begin_at_zero_with_each_start(self) -> None:
        """Or an engine that was restarted would have served less than nothing."""
        window = Window()
        window.add(0.0, served(500))
        window.add(5.0, served(600))
        window.clear()
        window.add(20.0, served(0))
        window.add(25.0, served(7))
        assert window.served() == served(7)


class TestBefore:
    @pytest.fixture
    def before(self, tmp_path: Path) -> Before:
        return Before(tmp_path / "before.json")

    def test_each_engine_is_noted_once_a_maintenance(self, before: Before) -> None:
        """As the lease is renewed, the engines serve nobody any more."""
        before.note(1000.0, LAYOUT, 0, served(30))
        before.note(1000.0, LAYOUT, 1, None)
        before.note(1000.0, LAYOUT, 0, served(0))
        before.note(1000.0, LAYOUT, 1, served(1))
        assert before.served(LAYOUT) == {0: served(30)}

    def test_each_engine_may_be_away_by_itself(self, before: Before) -> None:
        """The next maintenance of one says nothing of the others."""
        before.note(1000.0, LAYOUT, 0, served(30))
        before.note(1500.0, LAYOUT, 1, served(30))
        before.note(2000.0, LAYOUT, 1, served(40))
        assert before.served(LAYOUT) == {0: served(30), 1: served(40)}

    def test_another_layout_is_no_measure(self, before: Before) -> None:
        """Nor is one that nobody said, nor what was forgotten."""
        before.note(1000.0, LAYOUT, 0, served(30))
        assert before.served("other") == {}
        before.forget()
        before.forget()
        assert before.served(LAYOUT) == {}
        before.note(1000.0, "", 0, served(30))
        assert before.served("") == {}

    @pytest.mark.parametrize(
        "document",
        [
            "{",
            "[]",
            "null",
            {},
            {"a": {"since": 1.0, "layout": LAYOUT, "served": None}},
            {"0": {"since": 1.0, "layout": LAYOUT, "served": {"a": 1}}},
            {"0": {"since": 1.0}},
        ],
    )
    def test_a_file_that_can_not_be_read_is_written_anew(
        self, before: Before, document: object
    ) -> None:
        """Nobody has to look after it."""
        text = document if isinstance(document, str) else json.dumps(document)
        before._path.write_text(text)
        assert before.served(LAYOUT) == {}
        before.note(1.0, LAYOUT, 0, served(3))
        assert before.served(LAYOUT) == {0: served(3)}
