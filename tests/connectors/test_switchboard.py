"""The fallback's levers: SSM, DynamoDB and logs against moto, the function's answer made up."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber
from moto import mock_aws

from provision.connectors.switchboard import AwsSwitchboard, Look
from provision.errors import CloudError
from provision.testing import samples

ROOT = "/llm-fleet/test/switch"
GROUP = "/aws/lambda/llm-fleet-test-switch"


@pytest.fixture(autouse=True)
def aws() -> Iterator[None]:
    """An empty account."""
    with mock_aws():
        yield


@pytest.fixture
def board() -> AwsSwitchboard:
    return AwsSwitchboard(samples.environment())


def client(service: str) -> Any:
    return boto3.client(service, region_name="us-east-1")  # type: ignore[call-overload]


class TestWishes:
    def test_nobody_ever_said_anything(self, board: AwsSwitchboard) -> None:
        """That is known, and no error."""
        assert (board.wish(), board.wishes(), board.hints()) == (None, (), None)

    def test_the_last_one_counts_and_all_are_kept(self, board: AwsSwitchboard) -> None:
        """Newest first, with number and time of the server."""
        for text in ("one", "two", "three"):
            board.put_wish(text)
        last = board.wish()
        assert last is not None
        assert (last.text, last.version) == ("three", 3)
        assert last.at > 0
        assert [one.text for one in board.wishes()] == ["three", "two", "one"]

    def test_hints(self, board: AwsSwitchboard) -> None:
        """What the switch left there."""
        client("ssm").put_parameter(Name=f"{ROOT}/hints", Value="{}", Type="String")
        assert board.hints() == "{}"


class TestLook:
    """botocore's own model of Lambda checks the request; moto runs no functions without Docker."""

    def answer(self, board: AwsSwitchboard, body: Any, *, error: str = "", dry: bool) -> Look:
        stub = Stubber(board._aws.client("lambda"))
        raw = json.dumps(body).encode()
        response: dict[str, Any] = {
            "StatusCode": 200,
            "Payload": StreamingBody(io.BytesIO(raw), len(raw)),
        }
        stub.add_response(
            "invoke",
            response | ({"FunctionError": error} if error else {}),
            {
                "FunctionName": "llm-fleet-test-switch",
                "Payload": json.dumps({"do": "dry-run" if dry else "look"}).encode(),
            },
        )
        with stub:
            return board.look(dry=dry)

    @pytest.mark.parametrize("dry", [True, False])
    def test_its_line(self, board: AwsSwitchboard, dry: bool) -> None:
        """As it wrote it."""
        assert self.answer(board, {"mode": 1}, dry=dry) == Look({"mode": 1})

    def test_its_error(self, board: AwsSwitchboard) -> None:
        """In its own words."""
        body = {"errorMessage": "can't read the rule", "errorType": "SwitchError"}
        said = self.answer(board, body, error="Unhandled", dry=True)
        assert said == Look(None, "can't read the rule")

    def test_there_is_none(self, board: AwsSwitchboard) -> None:
        """The name that was looked for is in the error."""
        with pytest.raises(CloudError, match="llm-fleet-test-switch"):
            board.look(dry=True)


def test_its_decisions(board: AwsSwitchboard) -> None:
    """Of that time, oldest first; other lines of the log are left out.

    moto does not know JSON filter patterns: it hands out every line, so the parser is on its own.
    """
    logs, at = client("logs"), time.time()  # CloudWatch takes no lines of another day
    logs.create_log_group(logGroupName=GROUP)
    logs.create_log_stream(logGroupName=GROUP, logStreamName="one")
    messages = [json.dumps({"event": "switch", "at": f"2027-01-15T08:00:0{n}Z"}) for n in (2, 1)]
    logs.put_log_events(
        logGroupName=GROUP,
        logStreamName="one",
        logEvents=[
            {"timestamp": int(at * 1000), "message": text}
            for text in (*messages, "START RequestId: 1", '{"another": 1}')
        ],
    )
    found = board.lines(since=at - 10, until=at + 10)
    assert [line["at"][-2] for line in found] == ["1", "2"]
    assert board.lines(since=at + 5, until=at + 10) == ()


def test_what_was_spent(board: AwsSwitchboard) -> None:
    """Of a day and its month; a month without any is one at 0."""
    dynamodb = client("dynamodb")
    dynamodb.create_table(
        TableName="llm-fleet-test-spend",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    numbers = {"spent": "42", "committed": "50", "spent#21": "2", "committed#21": "3"}
    item = {"pk": {"S": "month#2026-11"}, **{name: {"N": n} for name, n in numbers.items()}}
    dynamodb.put_item(TableName="llm-fleet-test-spend", Item=item)
    found = board.spent("2026-11-21")
    assert (found.day_spent_usd, found.month_reserved_usd) == (
        Decimal("0.000002"),
        Decimal("0.000008"),
    )
    assert board.spent("2026-12-21").month_spent_usd == 0


def test_another_environment_has_its_own(board: AwsSwitchboard) -> None:
    """By its name."""
    board.put_wish("mine")
    assert AwsSwitchboard(replace(samples.environment(), name="other")).wish() is None
