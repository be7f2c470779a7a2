"""Functions run from what was uploaded, in processes that stay warm."""

from __future__ import annotations

import io
import json
import threading
import time
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from rehearsal import moto_functions
from rehearsal.function_logs import FunctionLogs
from rehearsal.functions import Function, Functions

PROGRAM = """
import os, time
calls = 0

def handler(event, context):
    global calls
    calls += 1
    print("called with", event.get("word"))
    if event.get("word") == "fail":
        raise ValueError("no such word")
    if event.get("word") == "die":
        os._exit(3)
    time.sleep(event.get("sleep", 0))
    left = context.get_remaining_time_in_millis()
    told, region = os.environ["TOLD"], os.environ["AWS_REGION"]
    return {"calls": calls, "told": told, "left": left, "region": region}
"""


def archive(program: str = PROGRAM) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("program.py", program)
    return buffer.getvalue()


def function(**changes: Any) -> Function:
    values = {
        "name": "llm-fleet-x-switch",
        "handler": "program.handler",
        "archive": archive(),
        "variables": {"TOLD": "a document"},
        "timeout_s": 30.0,
        "region": "eu-west-1",
        **changes,
    }
    return Function(**values)


class Log:
    """What functions printed."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def write(self, name: str, line: str) -> None:
        self.lines.append((name, line))

    def wait_for(self, word: str) -> None:
        until = time.monotonic() + 20
        while not any(word in line for _, line in self.lines):
            assert time.monotonic() < until, self.lines
            time.sleep(0.02)


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def functions(tmp_path: Path, log: Log) -> Iterator[Functions]:
    running = Functions(tmp_path / "functions", log.write)
    yield running
    running.stop()


def test_a_call(functions: Functions, log: Log) -> None:
    """Its archive, its variables, its limit and its region; what it prints is its log."""
    answer = functions.call(function(), {"word": "hello"})
    said = json.loads(answer.payload)
    assert not answer.failed
    assert (said["told"], said["region"]) == ("a document", "eu-west-1")
    assert 0 < said["left"] <= 30_000
    log.wait_for("called with hello")
    assert log.lines[0] == ("llm-fleet-x-switch", "called with hello")


def test_it_stays_warm_and_a_new_upload_does_not(functions: Functions) -> None:
    """The second call finds what the first one left; another document starts anew."""
    calls = [json.loads(functions.call(function(), {}).payload)["calls"] for _ in range(2)]
    assert calls == [1, 2]
    other = function(variables={"TOLD": "another"})
    assert json.loads(functions.call(other, {}).payload)["calls"] == 1


def test_two_calls_at_once_run_side_by_side(functions: Functions) -> None:
    """Nobody waits for a run that stays for a minute."""
    slow = threading.Thread(target=functions.call, args=(function(), {"sleep": 3, "word": "slow"}))
    slow.start()
    time.sleep(0.5)
    answer = functions.call(function(), {})
    assert slow.is_alive()
    assert json.loads(answer.payload)["calls"] == 1
    slow.join()


def test_an_error_of_its_own_is_an_answer(functions: Functions, log: Log) -> None:
    """In Lambda's words, with the traceback in the log; it is called again afterwards."""
    answer = functions.call(function(), {"word": "fail"})
    assert answer.failed
    assert json.loads(answer.payload) == {"errorMessage": "no such word", "errorType": "ValueError"}
    log.wait_for("ValueError: no such word")
    assert json.loads(functions.call(function(), {}).payload)["calls"] == 2


def test_a_process_that_dies(functions: Functions) -> None:
    """The call fails, the next one gets a new process."""
    answer = functions.call(function(), {"word": "die"})
    assert answer.failed
    assert json.loads(answer.payload)["errorType"] == "Runtime.ExitError"
    assert json.loads(functions.call(function(), {}).payload)["calls"] == 1


def test_one_that_takes_too_long(functions: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ended, as Lambda ends it."""
    monkeypatch.setattr("rehearsal.functions.GRACE_S", 0.2)
    functions.call(function(timeout_s=1.0), {})  # it is warm
    answer = functions.call(function(timeout_s=1.0), {"sleep": 30})
    assert answer.failed
    assert json.loads(answer.payload)["errorMessage"] == "Task timed out after 1.00 seconds"


def test_invoke_of_moto_runs_it(functions: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for an answer, and asked in passing."""
    with mock_aws():
        moto_functions.teach(functions.call, partial(monkeypatch.setattr, raising=True))
        aws = boto3.Session("testing", "testing", region_name="us-east-1")
        role = aws.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument="{}")
        client: Any = aws.client("lambda")
        client.create_function(
            FunctionName="f",
            Runtime="python3.13",
            Role=role["Role"]["Arn"],
            Handler="program.handler",
            Code={"ZipFile": archive()},
            Environment={"Variables": {"TOLD": "by moto"}},
            Timeout=30,
        )
        good = client.invoke(FunctionName="f", Payload=b'{"word": "x"}')
        assert json.loads(good["Payload"].read())["told"] == "by moto"
        bad = client.invoke(FunctionName="f", Payload=b'{"word": "fail"}')
        assert bad["FunctionError"] == "Unhandled"
        assert json.loads(bad["Payload"].read())["errorMessage"] == "no such word"
        moto_functions.begin(client, "f", {"word": "x"})


def test_the_log_is_where_lambda_writes_it() -> None:
    """One event a line; without a group nothing is written, and nothing breaks."""
    with mock_aws():
        logs: Any = boto3.Session("testing", "testing", region_name="us-east-1").client("logs")
        written = FunctionLogs(logs)
        written.write("f", "nobody hears it")
        logs.create_log_group(logGroupName="/aws/lambda/f")
        written.write("f", '{"at": 1}')
        written.write("f", '{"at": 2}')
        events = logs.filter_log_events(logGroupName="/aws/lambda/f")["events"]
        assert [event["message"] for event in events] == ['{"at": 1}', '{"at": 2}']
