"""New starts are measured by the last release that proved itself on this host."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.agent.last_good import LastGood, Limit, Proof, limit, slower
from provision.agent.settings import WarmUp

LAYOUT = "mistral-7b, 1 engine(s) of 1 GPU(s)"
PROOF = Proof("r-old", LAYOUT, 0.4, 1000.0)


def warm_up(*, max_ttft_s: float = 5.0, slowdown: float | None = 3.0) -> WarmUp:
    return WarmUp("a", "b", "c", max_ttft_s=max_ttft_s, slowdown=slowdown)


class TestLastGood:
    @pytest.fixture
    def last_good(self, tmp_path: Path) -> LastGood:
        return LastGood(tmp_path / "last-good.json")

    def test_is_remembered(self, last_good: LastGood) -> None:
        """By an agent that starts after the next reboot as well."""
        assert last_good.proof(LAYOUT) is None
        last_good.remember(PROOF)
        assert last_good.proof(LAYOUT) == PROOF

    def test_another_model_or_layout_is_no_measure(self, last_good: LastGood) -> None:
        """70B on eight GPUs need not be as fast as 7B on one."""
        last_good.remember(PROOF)
        assert last_good.proof("mistral-7b, 2 engine(s) of 1 GPU(s)") is None

    def test_a_layout_that_nobody_said_is_like_no_other(self, last_good: LastGood) -> None:
        """Releases rendered before layouts were said."""
        last_good.remember(Proof("r-old", "", 0.4, 1000.0))
        assert last_good.proof("") is None

    @pytest.mark.parametrize("text", ["", "{", "{}", "[]", "null", '{"release": "r"}'])
    def test_a_file_that_can_not_be_read_is_none(self, last_good: LastGood, text: str) -> None:
        """It must never keep an engine out of traffic."""
        last_good._path.write_text(text)
        assert last_good.proof(LAYOUT) is None


class TestLimit:
    def test_without_anything_to_compare_the_setting_is_the_limit(self) -> None:
        """Nothing proved itself yet; or the comparison is off."""
        assert limit(warm_up(), None) == Limit(5.0)
        assert limit(warm_up(slowdown=None), PROOF) == Limit(5.0)

    def test_some_times_what_the_last_good_one_took(self) -> None:
        """The reason names the release and both numbers."""
        found = limit(warm_up(), PROOF)
        assert found.seconds == pytest.approx(1.2)
        assert found.excess(1.1) == ""
        assert found.excess(2.5) == (
            "the first token took 2.50 s, allowed are 1.20 s (r-old, the last good release here, "
            "took 0.40 s; 3 times that is the limit)"
        )

    def test_never_more_than_the_setting(self) -> None:
        """Ten slow releases in a row do not raise it."""
        assert limit(warm_up(max_ttft_s=1.0), PROOF) == Limit(1.0)
        assert Limit(1.0).excess(2.0) == "the first token took 2.00 s, allowed are 1.00 s"

    def test_noise_is_no_slowdown(self) -> None:
        """A GPU's 20 ms may be 200 ms once."""
        assert slower(0.02, 3.0) == pytest.approx(0.27)
        assert slower(1.0, 3.0) == 3.0
