"""The schedule of docs/rolling.md can be typed as it stands: AWS takes it, and so do our tasks."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from invoke.parser import Parser

import playbooks
from rehearsal.strict.shapes import violations

PAGE = Path(__file__).resolve().parents[2] / "docs" / "rolling.md"
_BLOCK = re.compile(r"^```json (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SEND = "arn:aws:scheduler:::aws-sdk:ssm:sendCommand"


def files() -> dict[str, Any]:
    """The files of the page, by name."""
    return {name: json.loads(text) for name, text in _BLOCK.findall(PAGE.read_text())}


def problems(service: str, operation: str, parameters: Any) -> list[str]:
    """What is wrong with a call, further than botocore itself would look."""
    model = botocore.session.get_session().get_service_model(service)
    return list(violations(model.operation_model(operation).input_shape, parameters))


@pytest.fixture(scope="module")
def schedule() -> dict[str, Any]:
    found: dict[str, Any] = files()["schedule.json"]
    return found


@pytest.fixture(scope="module")
def command(schedule: dict[str, Any]) -> dict[str, Any]:
    """What Systems Manager is told."""
    found: dict[str, Any] = json.loads(schedule["Target"]["Input"])
    return found


def test_the_scheduler_takes_it(schedule: dict[str, Any]) -> None:
    """Every name, pattern and range of CreateSchedule; the target is a call of the SDK."""
    assert problems("scheduler", "CreateSchedule", schedule) == []
    assert schedule["Target"]["Arn"] == _SEND
    minute, hour, *rest = schedule["ScheduleExpression"][len("cron(") : -1].split()
    assert 0 <= int(minute) < 60
    assert 0 <= int(hour) < 24
    assert rest == ["*", "*", "?", "*"]


def test_systems_manager_takes_its_command(command: dict[str, Any]) -> None:
    """Every name, pattern and range of SendCommand; the document's parameters are lists of text."""
    assert problems("ssm", "SendCommand", command) == []
    assert command["DocumentName"] == "AWS-RunShellScript"
    assert set(command["Parameters"]) == {"workingDirectory", "executionTimeout", "commands"}
    (seconds,) = command["Parameters"]["executionTimeout"]
    assert 3600 < int(seconds) <= 172_800


def test_what_it_types_is_a_task_of_ours(command: dict[str, Any]) -> None:
    """With flags that the task has, and without a question that nobody answers."""
    (line,) = command["Parameters"]["commands"]
    words = shlex.split(line.partition(" -- ")[2])
    assert words[0] == ".venv/bin/fab"
    parser = Parser(contexts=playbooks.ns.to_contexts())
    (task,) = parser.parse_argv(words[1:])
    assert task.name == "rolling-restart"
    assert (task.args.env.value, task.args.yes.value) == ("prod", True)
    assert task.args["if-older-than"].value == "7d"


def test_its_role_may_do_that_and_nothing_else(
    schedule: dict[str, Any], command: dict[str, Any]
) -> None:
    """One document on one machine, taken by the scheduler of one account."""
    (right,) = files()["rights.json"]["Statement"]
    assert right["Action"] == "ssm:SendCommand"
    document, machine = right["Resource"]
    assert document.endswith(f"::document/{command['DocumentName']}")
    assert [machine.rpartition("/")[2]] == command["InstanceIds"]

    (trust,) = files()["trust.json"]["Statement"]
    account = trust["Condition"]["StringEquals"]["aws:SourceAccount"]
    assert trust["Principal"] == {"Service": "scheduler.amazonaws.com"}
    assert trust["Action"] == "sts:AssumeRole"
    role = schedule["Target"]["RoleArn"]
    assert role.startswith(f"arn:aws:iam::{account}:role/")
    assert f":{account}:" in machine


def test_the_commands_name_these_files_and_this_role(schedule: dict[str, Any]) -> None:
    """What the page tells to type fits what it shows."""
    text = PAGE.read_text()
    role = schedule["Target"]["RoleArn"].rpartition("/")[2]
    assert f"create-role --role-name {role} --assume-role-policy-document file://trust.json" in text
    assert f"put-role-policy --role-name {role} " in text
    assert "create-schedule --cli-input-json file://schedule.json" in text


def test_a_wrong_schedule_would_be_seen(schedule: dict[str, Any]) -> None:
    """Or the tests above would prove nothing."""
    wrong = {**schedule, "FlexibleTimeWindow": {"Mode": "NONE"}}
    assert problems("scheduler", "CreateSchedule", wrong) != []
    assert problems("ssm", "SendCommand", {"DocumentName": "x", "Commands": []}) != []
