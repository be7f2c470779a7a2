"""The Price List itself: answers that make no sense, and one that asks for patience."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from provision.catalog.prices.answer import Source
from provision.config.environment import AwsSettings
from provision.connectors.aws_client import AwsClients
from provision.connectors.price_list import products
from provision.errors import CloudError
from provision.testing import samples
from tests.connectors.price_answers import (
    Recorded,
    asked,
    hourly,
    price_page,
    product,
)


@pytest.mark.parametrize(
    "text",
    [
        "not JSON",
        "{}",
        "[]",
        '{"product": {}, "terms": {"OnDemand": {}}}',
        product({}, ("cheap", "Hrs", "0", "Inf")),
    ],
)
def test_an_answer_that_can_t_be_understood_is_an_error(answers: Recorded, text: str) -> None:
    """Not an empty price list, which would look like "AWS sells nothing"."""
    answers.answer("pricing", "get_products", price_page(text), None)
    with pytest.raises(CloudError, match="an answer that can't be understood") as caught:
        asked(answers, Source.ON_DEMAND)
    assert caught.value.hint == "AWS may have changed its format: the prices stay as they are"


@pytest.mark.parametrize(
    ("region", "home"),
    [
        ("us-east-1", "us-east-1"),
        ("sa-east-1", "us-east-1"),
        ("eu-west-1", "eu-central-1"),
        ("me-central-1", "eu-central-1"),
        ("ap-northeast-1", "ap-south-1"),
    ],
)
def test_the_price_list_has_three_homes(region: str, home: str) -> None:
    """Elsewhere the endpoint does not exist; other services answer where the fleet is."""
    clients = AwsClients(replace(samples.environment(), region=region))
    assert clients.client("pricing").meta.region_name == home
    assert clients.client("ec2").meta.region_name == region


class Busy(BaseHTTPRequestHandler):
    """A Price List that asks for patience so many times, then answers."""

    patience: ClassVar[int] = 0
    seen: ClassVar[list[int]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        busy = len(self.seen) < self.patience
        answer: dict[str, Any] = {"__type": "ThrottlingException", "message": "Rate exceeded"}
        if not busy:
            answer = price_page(hourly("g5.xlarge", "1.006"))
        self.seen.append(400 if busy else 200)
        body = json.dumps(answer).encode()
        self.send_response(self.seen[-1])
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsClients]:
    """botocore itself over loopback HTTP; its waits between tries take no time."""
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda seconds: None))
    monkeypatch.setattr(Busy, "seen", [])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Busy)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    yield AwsClients(replace(samples.environment(), aws=AwsSettings(endpoint_url=endpoint)))
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_busy_price_list_is_asked_again(
    busy: AwsClients, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two refusals for too many questions, then the answer."""
    monkeypatch.setattr(Busy, "patience", 2)
    assert [p.attributes["instanceType"] for p in products(busy, "AmazonEC2", {})] == ["g5.xlarge"]
    assert Busy.seen == [400, 400, 200]


def test_patience_ends(busy: AwsClients, monkeypatch: pytest.MonkeyPatch) -> None:
    """After some tries it is an error that says so."""
    monkeypatch.setattr(Busy, "patience", 99)
    with pytest.raises(CloudError) as caught:
        products(busy, "AmazonEC2", {})
    assert caught.value.hint == "AWS asks for patience: run the same command again"
    assert set(Busy.seen) == {400}
    assert len(Busy.seen) > 2
