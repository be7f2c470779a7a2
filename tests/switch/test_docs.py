"""docs/fallback-switch.md says everything, and nothing that is not so."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from provision.switch import cloud as cloud_module
from provision.switch.look import Applied
from provision.switch.policy import Policy
from provision.switch.settings import Settings
from provision.switch.values import Mode, Outcome, Role, Wish
from tests.switch.closed_loop.loop import ALARMS
from tests.switch.room import FakeAsker, Room, a_room
from tests.switch.test_handler import die, look

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/fallback-switch.md").read_text()
SERVICES = {
    "elbv2": "elasticloadbalancing",
    "sns": "sns",
    "ssm": "ssm",
    "cloudwatch": "cloudwatch",
    "dynamodb": "dynamodb",
    "autoscaling": "autoscaling",
    "secretsmanager": "secretsmanager",
}


def section(heading: str) -> str:
    return TEXT.split(f"## {heading}\n")[1].split("\n## ")[0]


def test_every_field_of_the_line_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a real line, with everything in it, down to the fields of the signals."""
    with a_room(monkeypatch) as room:
        line = a_full_line(room)
    names = {*line, *line["signals"], *line["intent"], *line["signals"]["hosts"]}
    names |= {name for token in line["signals"]["tokens"] for name in token}
    text = section("The line of a decision")
    assert [name for name in sorted(names) if f"`{name}`" not in text] == []


def a_full_line(room: Room) -> dict[str, Any]:
    asker = FakeAsker(room.clock)
    die(room, asker)
    asker.outcome = Outcome.FAILED
    return json.loads(json.dumps(look(room, asker)))


def test_every_policy_key_with_its_default() -> None:
    """Several keys in a row have their defaults in the same order."""
    table = section("What it needs").split("| policy key |")[1].split("\n\n")[0]
    said: dict[str, str] = {}
    for row in table.splitlines()[2:]:
        names, values, *_ = row.strip("|").split("|")
        defaults = [value.strip() for value in values.split(";")]
        said |= dict(zip(re.findall(r"`(\w+)`", names), defaults, strict=True))
    assert said == {field.name: shown(getattr(Policy(), field.name)) for field in fields(Policy)}


def shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"


def test_every_setting_is_described() -> None:
    """The document's keys; the two groups stand under their own names there."""
    text = section("What it needs")
    names = {field.name for field in fields(Settings)} - {"groups"}
    names |= {"primary_target_group_arn", "fallback_target_group_arn"}
    assert [name for name in sorted(names) if f"`{name}`" not in text] == []


def test_the_words_of_the_switch_are_described() -> None:
    """Its states, a person's wishes, the roles of alarms, and what became of things."""
    places: tuple[tuple[type[StrEnum], str], ...] = (
        (Mode, "States"),
        (Wish, "What a person wants"),
        (Role, "What it needs"),
        (Applied, "The line of a decision"),
        (Outcome, "The line of a decision"),
    )
    for words, heading in places:
        text = section(heading)
        assert [word for word in words if f"`{word}`" not in text] == []


def test_the_alarms_are_those_that_were_measured() -> None:
    """Threshold, M of N, period and missing data, as the closed loop has them."""
    rows = {
        row.split("|")[1].strip(" `"): row
        for row in section("What it needs").splitlines()
        if "periods of" in row
    }
    assert set(rows) == set(Role)
    for role, alarm in ALARMS.items():
        beyond = f"{alarm.comparison} {alarm.threshold:g}"
        how = f"{beyond} in {alarm.m} of {alarm.n} periods of {alarm.period_s} s"
        assert f"| {how} | {alarm.missing} |" in rows[role]


def test_the_rights_are_those_of_the_calls_that_it_makes() -> None:
    """Neither one less nor one more."""
    source = Path(cloud_module.__file__).read_text()
    calls = re.findall(r'_client\("(\w+)"\)\s*\.(\w+)\(', source)
    used = {f"{SERVICES[service]}:{camel(operation)}" for service, operation in calls}
    granted = set(re.findall(r"`(\w+:\w+)`", section("What it needs")))
    assert used == granted


def camel(operation: str) -> str:
    return "".join(word.capitalize() for word in operation.split("_"))
