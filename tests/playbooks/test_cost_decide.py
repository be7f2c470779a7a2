"""``fab cost.decide`` as typed: from a file, on a terminal, and with nobody there."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from tests.playbooks.conftest import Fleet

ROOT = Path(__file__).resolve().parents[2]
ANSWERS = """\
volume: 12M
latency: 300ms
privacy: open
customisation: prompts
team: some
budget: fixed
freshness: months
"""


class Terminal(io.StringIO):
    """Somebody who types these lines and leaves."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    path = tmp_path / "answers.yaml"
    path.write_text(ANSWERS)
    return path


def test_the_fixed_interface(fleet: Fleet, answers: Path) -> None:
    """Score, tier, factors, and each single answer that would change the tier."""
    said = fleet.run("cost.decide", "--answers", str(answers), "--json").json
    assert (said["score"], said["tier"], said["reason"]) == (6, "hybrid", "")
    assert said["factors"][0] == {"factor": "volume", "answer": "medium", "score": 1}
    assert said["flips"] == [
        {"factor": "budget", "from": "fixed", "to": "flexible", "score": 4, "tier": "api-first"}
    ]


def test_for_a_person(fleet: Fleet, answers: Path) -> None:
    """The whole page with its checklist."""
    said = fleet.run("cost.decide", "--answers", str(answers))
    golden = (ROOT / "tests" / "golden" / "reports" / "cost_decide.txt").read_text()
    assert (said.code, said.out) == (0, golden)


def test_asked_on_a_terminal(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong answer is asked again; questions go to stderr, so that JSON stays clean."""
    lines = ["lots", "2", "instant", "closed", "0", "0", "0", "stable"]
    monkeypatch.setattr("sys.stdin", Terminal("\n".join(lines) + "\n"))
    said = fleet.run("cost.decide", "--json")
    assert (said.json["score"], said.json["tier"]) == (8, "self-host-first")
    assert "How many tokens a day" in said.err
    assert "say low | medium | high, or tokens a day: 12M" in said.err


def test_somebody_who_leaves(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """The question that was not answered is named."""
    monkeypatch.setattr("sys.stdin", Terminal("low\n"))
    said = fleet.run("cost.decide")
    assert (said.code, said.out) == (2, "")
    assert "no answer for latency" in said.err


def test_nobody_is_there(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """No question hangs in a pipeline."""
    monkeypatch.setattr("sys.stdin", io.StringIO())
    said = fleet.run("cost.decide")
    assert (said.code, said.out) == (2, "")
    assert "--template" in said.err


def test_the_template_can_be_answered(fleet: Fleet, tmp_path: Path) -> None:
    """What it prints is a file that it takes."""
    path = tmp_path / "answers.yaml"
    path.write_text(fleet.run("cost.decide", "--template").out)
    assert fleet.run("cost.decide", "--answers", str(path), "--json").json["score"] == 7


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("volume: lots\n", "volume: 'lots' is no answer  (low | medium | high"),
        ("- volume\n", "holds no keys and values"),
        ("volume: [\n", "line 2"),
        ("volume: low\nvolume: high\n", "written twice"),
    ],
)
def test_a_file_that_can_not_be_used(fleet: Fleet, tmp_path: Path, text: str, said: str) -> None:
    """Exit code 2, with the place and the mistake."""
    path = tmp_path / "answers.yaml"
    path.write_text(text)
    done = fleet.run("cost.decide", "--answers", str(path))
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert fleet.run("cost.decide", "--answers", str(tmp_path / "none.yaml")).code == 2
