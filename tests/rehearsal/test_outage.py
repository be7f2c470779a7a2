"""The story of an outage, with a fleet and a switch of the test's own."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from provision.connectors.protocols import Cloud
from provision.errors import FleetError
from rehearsal import outage, outage_report
from rehearsal.outage import Move, Outage, Stage, play, settle
from rehearsal.steady_client import Asked, SteadyClient, tally
from rehearsal.world import World

ENGINE = "llm-fleet-engine-0"


@dataclass
class Scene:
    """Two hosts, a switch that moves as it is told, and a client that asks whoever is there.

    The switch's shares come one a look: *away* once no engine runs, *back* once all do again.
    """

    away: list[int] = field(default_factory=lambda: [100, 100, 0])
    back: list[int] = field(default_factory=lambda: [0, 0, 25, 50, 100])
    spills: bool = True
    refuses: bool = False
    said: list[str] = field(default_factory=list)
    commands: list[tuple[str, ...]] = field(default_factory=list)
    running: dict[str, bool] = field(default_factory=lambda: {"i-a": True, "i-b": True})
    gone: bool = False

    def primary_weight(self) -> int | None:
        if not any(self.running.values()):
            self.gone = True
            return self.away.pop(0) if len(self.away) > 1 else self.away[0]
        if self.gone and all(self.running.values()):
            return self.back.pop(0) if len(self.back) > 1 else self.back[0]
        return 100

    def hosts(self) -> tuple[str, ...]:
        return ("i-a", "i-b")

    def host(self, name: str) -> Any:
        def run(*words: str) -> subprocess.CompletedProcess[str]:
            self.commands.append((name, *words))
            self.running[name] = words[1] == "start"
            return subprocess.CompletedProcess(words, int(self.refuses), "", "no such container\n")

        return SimpleNamespace(run=run)

    def ask(self, *, stream: bool = False) -> Asked:
        well = all(self.running.values())
        by = "primary" if well or not self.spills else "hosted"
        return Asked(time.monotonic(), by, 0.01)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds are hundredths."""
    for name, seconds in (("POLL_S", 0.02), ("AWAY_S", 0.05), ("CALM_S", 0.05), ("SPILLS_S", 0.3)):
        monkeypatch.setattr(outage, name, seconds)


def told(scene: Scene, monkeypatch: pytest.MonkeyPatch, each: int = 1) -> Outage:
    monkeypatch.setattr(SteadyClient, "ask", lambda _, *, stream=False: scene.ask(stream=stream))
    result = Outage()
    client = SteadyClient("http://nowhere", "key", "model", every_s=0.01)
    stage = Stage(cast(World, scene), cast(Cloud, scene), client, scene.said.append, each)
    play(stage, result)
    return result


def test_the_three_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    """One engine, then all, then all again; each move of the weights is noted once."""
    scene = Scene()
    result = told(scene, monkeypatch)
    assert scene.commands == [
        ("i-a", "docker", "kill", ENGINE),
        ("i-b", "docker", "kill", ENGINE),
        ("i-a", "docker", "start", ENGINE),
        ("i-b", "docker", "start", ENGINE),
    ]
    assert [one.share for one in result.moves] == [0, 25, 50, 100]
    assert [name for name, _ in result.phases] == [
        "all is well",
        "one engine is gone",
        "all engines are gone",
        "the fallback answers",
        "the engines come back",
        "all is well again",
    ]
    assert None not in (result.spill_s, result.trip_s, result.return_s)
    assert result.lost == 0
    assert result.phases[0][1].by.keys() == {"primary"}
    assert result.phases[3][1].by.keys() == {"hosted"}


def test_all_engines_of_a_host_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else its front would have no reason to ask the gateway."""
    scene = Scene()
    told(scene, monkeypatch, each=2)
    assert scene.commands[0] == ("i-a", "docker", "kill", ENGINE, "llm-fleet-engine-1")


def test_a_front_that_passes_nothing_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first layer is missing: the rehearsal fails, and has counted until then."""
    scene = Scene(spills=False)
    with pytest.raises(FleetError, match="no front passed a request on"):
        told(scene, monkeypatch)


def test_a_switch_that_moves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second layer is missing."""
    monkeypatch.setattr(outage, "TRIPS_S", 0.2)
    with pytest.raises(FleetError, match="100 % of the traffic, not 0, after"):
        told(Scene(away=[100]), monkeypatch)


def test_traffic_that_does_not_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says where it stayed."""
    monkeypatch.setattr(outage, "RETURNS_S", 0.2)
    with pytest.raises(FleetError, match="25 % of the traffic, not 100"):
        told(Scene(back=[0, 25]), monkeypatch)


def test_a_host_that_does_not_obey(monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker's own words."""
    with pytest.raises(FleetError, match="i-a: docker kill: no such container"):
        told(Scene(refuses=True), monkeypatch)


class TestSettling:
    """After the first deploy."""

    def test_it_waits_for_all_traffic(self) -> None:
        """The switch may have taken it away before a host was there."""
        shares = iter([0, 25, 50, 100])
        settle(cast(Cloud, SimpleNamespace(primary_weight=lambda: next(shares))))
        assert list(shares) == []

    def test_it_does_not_wait_for_ever(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It says what the fleet has, and who says why."""
        monkeypatch.setattr(outage, "HOME_S", 0.1)
        with pytest.raises(FleetError, match="has 50 % of the traffic") as error:
            settle(cast(Cloud, SimpleNamespace(primary_weight=lambda: 50)))
        assert "fab fallback.status" in error.value.hint

    def test_a_rule_that_is_gone(self) -> None:
        """Nobody would ever have all traffic."""
        with pytest.raises(FleetError, match="no rule"):
            settle(cast(Cloud, SimpleNamespace(primary_weight=lambda: None)))


RESULT = Outage(
    spill_s=0.4,
    trip_s=21.5,
    return_s=95.0,
    moves=[Move(21.5, 0), Move(130.0, 50), Move(140.0, 100)],
    phases=[
        ("one engine is gone", tally([Asked(0, "primary", 0.1), Asked(1, "hosted", 0.2)], 0, 2)),
        ("all engines are gone", tally([Asked(2, "cut", 0.3, "no [DONE]")], 2, 3)),
    ],
    unanswered=["cut: no [DONE]"],
)


def test_the_table() -> None:
    """A row a phase, a line a layer, and whatever went unanswered."""
    assert outage_report.lines(RESULT) == [
        "  the outage              asked  primary   hosted    stale     lost      cut    worst",
        "  one engine is gone          2        1        1        0        0        0    0.2 s",
        "  all engines are gone        1        0        0        0        0        1    0.3 s",
        "",
        "one engine gone: a request was passed on after 0.4 s",
        "all engines gone: the switch had moved all traffic after 21.5 s",
        "engines started again: the fleet had all traffic after 95.0 s",
        "the fleet's share: 0 % at 22 s, 50 % at 130 s, 100 % at 140 s",
        "  cut: no [DONE]",
    ]


def test_the_document() -> None:
    """What scripts read."""
    said = outage_report.document(RESULT)
    assert (said["lost"], said["cut"]) == (0, 1)
    assert said["moves"][0] == {"seconds": 21.5, "share": 0}
    assert said["phases"][0] == {
        "name": "one engine is gone",
        "asked": 2,
        "by": {"primary": 1, "hosted": 1},
        "worst_s": 0.2,
    }
