"""`fab fallback.*`, as typed."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from playbooks.session import Session
from provision.commands.command import Result
from provision.config.fallback import FallbackSettings
from provision.connectors.protocols import Answer
from provision.errors import CloudError
from provision.facts.spend import HostedSpend
from provision.secret import Secret
from provision.testing import samples
from provision.testing.switchboard import FakeSwitchboard
from tests.playbooks.conftest import Fleet

OLD = "r-000000000000"
COMPLETIONS = "http://fleet.test/v1/completions"
LINE: dict[str, Any] = {
    "event": "switch",
    "at": "2023-11-14T22:13:20Z",
    "t": 1_700_000_000.0,
    "mode": {"was": "primary", "now": "primary"},
    "weights": {"was": [100, 0], "now": [100, 0]},
    "applied": "dry run",
    "reason": "all three tokens came",
    "next": "a hosted token in 4 min",
    "since": "2023-11-14T20:00:00Z",
    "hold_until": None,
    "trips_today": 1,
    "signals": {
        "tokens": [{"outcome": "good", "seconds": 0.21}, {"outcome": "good", "seconds": 0.3}],
        "hosted_token": None,
        "hosted_good_at": "2023-11-14T22:10:00Z",
        "hosted_misses": 0,
        "alarms": {},
        "alarms_ringing": [],
        "hosts": {"healthy": 2, "unhealthy": 0, "starting": 1, "leaving": 0},
        "spent_usd": "1.25",
        "daily_cap_usd": "20",
    },
}


@pytest.fixture
def board() -> FakeSwitchboard:
    """A switch that is content."""
    board = FakeSwitchboard()
    board.line, board.now = LINE, 1_700_000_000.0
    dollars = (Decimal(text) for text in ("1.00", "0.25", "29.75", "0.25"))
    board.spending = HostedSpend("2023-11-14", *dollars)
    return board


@pytest.fixture
def out(fleet: Fleet, board: FakeSwitchboard, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    """Two hosts that serve, and a way out."""
    fallback = FallbackSettings(providers=("openai/gpt-4o-mini",), daily_usd=20.0)
    fleet.environment = replace(fleet.environment, fallback=fallback)
    fleet.facts = {name: samples.serving(OLD) for name in fleet.facts}
    fleet.shell.prepare("*readlink*", Result(0, f"{OLD}\n"))
    fleet.cloud.secrets["llm-fleet/test/probe-key"] = Secret("sk-fleet-probe")
    fleet.cloud.objects["releases/current"] = json.dumps({"release": OLD}).encode()
    fleet.http.prepare("POST", COMPLETIONS, Answer(200, {"x-llm-tier": "primary"}, "{}"))

    def session(_: object, _env: str | None) -> Session:
        made = fleet.session()
        made._board = board
        return made

    monkeypatch.setattr(Session, "open", classmethod(session))
    return fleet


class TestStatus:
    def test_all_at_a_glance(self, out: Fleet) -> None:
        """Who answers, why, what comes next, what it cost."""
        assert out.run("fallback.status").out.splitlines() == [
            "state     primary",
            "traffic   100 % to our own hosts",
            "since     2023-11-14 20:00:00",
            "why       all three tokens came",
            "next      a hosted token in 4 min",
            "tokens    good in 0.2 s, good in 0.3 s; hosted: last good 2023-11-14 22:10:00",
            "hosts     2 healthy, 1 starting",
            "alarms    none rings",
            "trips     1 within 24 hours",
            "spend     $1.25 today of $20.00, $30.00 this month",
        ]

    def test_json(self, out: Fleet) -> None:
        """Unknown is null."""
        said = out.run("fallback.status", "--json").json
        assert (said["state"], said["share"], said["wish"], said["error"]) == (
            "primary",
            100,
            None,
            None,
        )
        assert said["spend"] == {
            "today": "1.25",
            "month": "30.00",
            "daily_cap": "20.0",
            "monthly_cap": None,
        }

    def test_a_switch_that_does_not_answer(self, out: Fleet, board: FakeSwitchboard) -> None:
        """What is known without it is shown; the rest is unknown."""
        board.line, board.error = None, "no probe key: put one into llm-fleet/test/probe-key"
        board.failures["spent"] = CloudError("dynamodb:get_item failed")
        out.cloud.weight = 0
        said = out.run("fallback.status")
        assert said.code == 0
        assert said.out.splitlines() == [
            "state     unknown",
            "traffic   0 % to our own hosts",
            "switch    can't be asked: no probe key: put one into llm-fleet/test/probe-key",
        ]
        assert "what was spent is unknown: dynamodb:get_item failed" in said.err

    def test_without_a_fallback(self, out: Fleet) -> None:
        """Exit 3, and what to write where."""
        out.environment = replace(out.environment, fallback=FallbackSettings())
        said = out.run("fallback.status")
        assert said.code == 3
        assert "fallback.providers" in said.err


class TestWishes:
    @pytest.mark.parametrize(
        ("task", "mode"), [("on", "force-fallback"), ("off", "force-primary"), ("freeze", "freeze")]
    )
    def test_a_wish(self, out: Fleet, board: FakeSwitchboard, task: str, mode: str) -> None:
        """Who, why, for how long; the switch looks at once, and then it is shown."""
        said = out.run(f"fallback.{task}", "--reason", "new GPUs", "--for", "90m", "--yes")
        assert said.code == 0, said.err
        (wrote,) = board.written
        wish = json.loads(wrote.text)
        assert (wish["mode"], wish["reason"]) == (mode, "new GPUs")
        assert wish["expires_at"] == "2023-11-14T23:43:20+00:00"
        assert "@" in wish["by"]
        assert board.looks == [False, True]
        assert f"wish      {mode} by {wish['by']} until 2023-11-14 23:43:20: new GPUs" in said.out

    def test_auto_ends_it(self, out: Fleet, board: FakeSwitchboard) -> None:
        """Without an end of its own."""
        out.run("fallback.freeze", "--reason", "a fire", "--yes")
        said = out.run("fallback.auto", "--yes")
        assert json.loads(board.written[-1].text)["mode"] == "auto"
        assert json.loads(board.written[-1].text)["expires_at"] is None
        assert "wish " not in said.out

    @pytest.mark.parametrize("time", ["soon", "9d", "0m"])
    def test_a_time_that_is_none(self, out: Fleet, board: FakeSwitchboard, time: str) -> None:
        """Exit 2, and nothing was wished."""
        assert out.run("fallback.on", "--reason", "x", "--for", time, "--yes").code == 2
        assert board.written == []

    def test_nobody_says_yes(self, out: Fleet, board: FakeSwitchboard) -> None:
        """Exit 2 where nobody can be asked."""
        assert out.run("fallback.on", "--reason", "x").code == 2
        assert board.written == []


class TestHistory:
    def test_people_and_the_switch(self, out: Fleet, board: FakeSwitchboard) -> None:
        """Newest first; looks that moved nothing are left out."""
        out.run("fallback.on", "--reason", "new GPUs", "--yes")
        moved = {
            **LINE,
            "at": "2023-11-14T22:13:30Z",
            "applied": "done",
            "mode": {"was": "primary", "now": "fallback"},
            "weights": {"was": [100, 0], "now": [0, 100]},
            "reason": "anna wants it",
        }
        board.decisions = [LINE, {**LINE, "applied": "nothing to do"}, moved]
        rows = out.run("fallback.history", "--json").json
        assert [(row["who"] == "switch", row["what"]) for row in rows] == [
            (False, "wishes force-fallback"),
            (True, "primary to fallback, 100/0 to 0/100"),
        ]
        text = out.run("fallback.history").out.splitlines()
        assert text[1].split()[2] == "switch"
        assert "new GPUs" in text[2]

    def test_nothing(self, out: Fleet) -> None:
        """A friendly line."""
        said = out.run("fallback.history", "--since", "1h")
        assert said.out == "nobody wished anything, and nothing moved\n"


@pytest.fixture
def moving(out: Fleet, board: FakeSwitchboard) -> Fleet:
    """Traffic follows a wish at once, and comes back when it ends."""

    def follow(text: str) -> None:
        away = json.loads(text)["mode"] == "force-fallback"
        out.cloud.weight = 0 if away else 100

    board.on_wish = follow
    return out


class TestTheOnlyHost:
    """A rolling restart for which nobody would be left to serve."""

    @pytest.fixture
    def only(self, moving: Fleet) -> Fleet:
        moving.cloud.hosts = samples.hosts(1)
        moving.cloud.health = {"i-1": ["healthy"]}
        moving.facts = {"i-1": samples.serving(OLD)}
        return moving

    def test_the_fallback_carries_it(self, only: Fleet, board: FakeSwitchboard) -> None:
        """Traffic is away before the host leaves, and the wish is over in the end."""
        shares: list[int | None] = []
        deregister = only.cloud.deregister

        def leave(host: str) -> None:
            shares.append(only.cloud.weight)
            deregister(host)

        only.cloud.deregister = leave  # type: ignore[method-assign]
        said = only.run("rolling-restart", "--yes")
        assert said.code == 0, said.err
        assert shares == [0]
        modes = [json.loads(one.text)["mode"] for one in board.written]
        assert modes == ["force-fallback", "auto"]

    def test_when_it_fails_the_fallback_carries_the_way_back_too(
        self, only: Fleet, board: FakeSwitchboard
    ) -> None:
        """Also then nobody else serves."""
        failed = json.dumps({"event": "failed", "t": 1, "reason": "engine died", "log": []})
        well = '{"event": "baked", "t": 1}'

        def bake(_host: object, _command: object) -> Result:
            only.facts["i-1"] = replace(
                only.facts["i-1"], agent={"state": "hung", "release": OLD, "ready_for": None}
            )
            return Result(1, failed)

        only.shell.prepare("*host.pyz bake *", bake, Result(0, well))
        said = only.run("rolling-restart", "--yes")
        assert said.code == 1
        modes = [json.loads(one.text)["mode"] for one in board.written]
        assert modes == ["force-fallback", "auto"] * 2

    def test_the_fallback_does_not_come(self, only: Fleet, board: FakeSwitchboard) -> None:
        """Then the host does not leave."""
        board.on_wish = lambda _: None
        said = only.run("rolling-restart", "--yes")
        assert said.code == 1
        assert not [line for line in only.cloud.log if line.startswith("deregister")]
        assert json.loads(board.written[-1].text)["mode"] == "auto"

    def test_without_a_fallback(self, only: Fleet) -> None:
        """Refused as ever."""
        only.environment = replace(only.environment, fallback=FallbackSettings())
        assert only.run("rolling-restart", "--yes").code == 3


class TestDrill:
    def test_by_a_wish(self, moving: Fleet, board: FakeSwitchboard) -> None:
        """Away and back; the wish is ended in the end; the report stands in the bucket."""
        said = moving.run("fallback.drill", "--away", "5", "--yes", "--json")
        modes = [json.loads(one.text)["mode"] for one in board.written]
        assert modes == ["force-fallback", "auto", "auto"]
        assert said.json["outcome"]["ok"] is True
        assert said.json["key"] in moving.cloud.objects
        assert moving.run("history", "--json").json[0]["what"]["task"] == "drill"

    def test_what_was_measured_decides(self, moving: Fleet) -> None:
        """A drill in which no client ever saw the fallback is no success."""
        said = moving.run("fallback.drill", "--away", "5", "--yes", "--json")
        assert said.json["ok"] is False
        assert said.code == 1
        assert said.json["drill"]["to_fallback_s"] is None

    def test_traffic_that_does_not_come_back(self, moving: Fleet, board: FakeSwitchboard) -> None:
        """Exit 1, and the wish is ended all the same."""
        board.on_wish = lambda _: setattr(moving.cloud, "weight", 0)
        said = moving.run("fallback.drill", "--away", "5", "--yes")
        assert said.code == 1
        assert "not 100 %" in said.out
        assert json.loads(board.written[-1].text)["mode"] == "auto"

    def test_prod_has_clients(self, moving: Fleet, board: FakeSwitchboard) -> None:
        """Exit 3 without --confirm; looking at the plan needs none."""
        moving.environment = replace(moving.environment, name="prod")
        assert moving.run("fallback.drill", "--yes").code == 3
        assert board.written == []
        shown = moving.run("fallback.drill", "--dry-run")
        assert shown.code == 0
        assert "drill prod: a wish, for 60 s" in shown.out
        assert board.written == []

    @pytest.mark.parametrize("away", ["0", "-1", "soon", "4000"])
    def test_wrong_words(self, moving: Fleet, away: str) -> None:
        """Exit 2."""
        assert moving.run("fallback.drill", "--away", away, "--yes").code == 2

    def test_an_outage(self, moving: Fleet, board: FakeSwitchboard) -> None:
        """All hosts leave, and come back whatever happens; nobody wishes anything."""
        moving.cloud.primary_weight = lambda: (  # type: ignore[method-assign]
            0 if moving.cloud.health["i-1"] == ["draining"] else 100
        )
        said = moving.run("fallback.drill", "--outage", "--away", "5", "--yes", "--json")
        assert said.json["outcome"]["ok"] is True, said.out
        assert board.written == []
        assert {states[-1] for states in moving.cloud.health.values()} == {"healthy"}
