"""A gateway that stands: its own processes, real LiteLLM, moto for AWS, two hosted APIs of ours."""

from __future__ import annotations

import hashlib
import http.client
import json
import logging
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError
from moto.server import ThreadedMotoServer

from provision.catalog.models import model
from provision.catalog.prices.load import load
from provision.config.environment import AwsSettings, EngineSettings, Environment, ModelChoice
from provision.config.fallback import FallbackSettings, WhenSpendUnknown
from provision.render.gateway import gateway_document, spend_table, stale_table
from rehearsal import gateway as litellm
from rehearsal.hosted_api import HostedApi
from rehearsal.moto_dynamodb import make_atomic

ROOT = Path(__file__).parent.parent.parent
A, B = "openai/gpt-4o-mini", "anthropic/claude-haiku-4-5"
KEY = "sk-fleet-of-the-tests"
READY_S = 180.0
HEARD_S = 0.6  # until the supervisor, too, has heard of it, and answers nobody any more
# A fixture of a module comes before the environment is laid bare for a test.
CREDENTIALS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
FALLBACK = FallbackSettings(
    providers=(A, B),
    daily_usd=5.0,
    monthly_usd=50.0,
    timeout_s=2,
    first_byte_s=1,
    allowed_fails=1,
    cooldown_s=3,
    stale_answers=True,
    when_spend_unknown=WhenSpendUnknown.CLOSED,
)


@dataclass(slots=True)
class Reply:
    """What a client got. *events* are a stream's data lines; *cut* when it ended without [DONE]."""

    status: int
    seconds: float
    headers: dict[str, str]
    body: bytes = b""
    events: list[str] = field(default_factory=list)

    @property
    def tier(self) -> str:
        """Who answered, by the header."""
        return self.headers.get("x-llm-tier", "")

    @property
    def said(self) -> Any:
        """The JSON of an answer in one piece."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """An error's code."""
        return str(self.said["error"]["code"])

    @property
    def text(self) -> str:
        """The answer's words."""
        if not self.events:
            return str(self.said["choices"][0]["message"]["content"])
        chunks = [json.loads(event) for event in self.events if event != "[DONE]"]
        deltas = [c["delta"] for chunk in chunks for c in chunk.get("choices", ())]
        return "".join(delta.get("content") or "" for delta in deltas)

    @property
    def whole(self) -> bool:
        """An answer that came to its end."""
        return self.status == 200 and (not self.events or self.events[-1] == "[DONE]")


@dataclass
class Standing:
    """One gateway and its surroundings."""

    environment: Environment
    folder: Path
    api_a: HostedApi
    api_b: HostedApi
    moto: ThreadedMotoServer
    moto_port: int
    limits: dict[str, Any] = field(default_factory=dict)
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def hop(self) -> str:
        """The hop secret, as the front reads it."""
        found = re.search(r'"Bearer (\S+)"', (self.folder / "run/hop.conf").read_text())
        assert found
        return found[1]

    @property
    def log(self) -> list[dict[str, Any]]:
        """The gateway's events."""
        lines = (self.folder / "log").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith('{"at"')]

    def client(self, service: str) -> Any:
        """A client of moto."""
        return boto3.client(  # type: ignore[call-overload]
            service,
            region_name=self.environment.region,
            endpoint_url=f"http://127.0.0.1:{self.moto_port}",
            config=Config(retries={"max_attempts": 1}),
            **CREDENTIALS,
        )

    def start(self) -> None:
        """Start the gateway; :meth:`wait_ready` waits for it."""
        self.port = free_port()
        document = gateway_document(
            self.environment,
            model=model(self.environment.model.name),
            book=load(),
            api_bases={A: f"{self.api_a.url}/v1", B: self.api_b.url},
            listen=f"127.0.0.1:{self.port}",
            run=str(self.folder / "run"),
        )
        document = json.dumps({**json.loads(document), **self.limits})
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(litellm.python()), "-m", "provision.gateway"],
                env={
                    **os.environ,
                    **{name.upper(): value for name, value in CREDENTIALS.items()},
                    "AWS_EC2_METADATA_DISABLED": "true",
                    "PYTHONPATH": str(ROOT),
                    "PYTHONUNBUFFERED": "1",
                    "GATEWAY": document,
                    "HOME": str(self.folder),
                },
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait_ready(self) -> None:
        """Wait until it is ready to serve."""
        until = time.monotonic() + READY_S
        while time.monotonic() < until:
            with suppress(OSError, http.client.HTTPException):
                if self.ask(None, path="/health/readiness").status == 200:
                    time.sleep(HEARD_S)
                    return
            assert self.process is not None
            assert self.process.poll() is None, (self.folder / "log").read_text()[-3000:]
            time.sleep(0.2)
        raise AssertionError((self.folder / "log").read_text()[-3000:])

    def stop(self) -> int:
        """End the gateway the way ECS does; the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def ask(
        self,
        body: dict[str, Any] | None,
        *,
        path: str = "/v1/chat/completions",
        headers: dict[str, str] | None = None,
        key_name: str = "team-a",
        hang_up_after: int | None = None,
        timeout_s: float = 60.0,
    ) -> Reply:
        """Ask as the front does; *hang_up_after* so many events of a stream."""
        begun = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        own = {"Authorization": f"Bearer {self.hop}", "X-Key-Name": key_name} if body else {}
        if body is None:
            connection.request("GET", path, headers={**own, **(headers or {})})
        else:
            told = {**own, "Content-Type": "application/json", **(headers or {})}
            connection.request("POST", path, json.dumps(body), told)
        try:
            reply = read_reply(connection.getresponse(), hang_up_after)
        finally:
            connection.close()
        reply.seconds = time.monotonic() - begun
        return reply

    def spent(self) -> tuple[int, int]:
        """What the counter says was spent, and what is committed, in micro-dollars, this month."""
        item = self._month()
        return int(item.get("spent", {}).get("N", 0)), int(item.get("committed", {}).get("N", 0))

    def settled(self, *, within_s: float = 20.0) -> int:
        """What was spent, once nothing is reserved any more."""
        until = time.monotonic() + within_s
        while True:
            spent, committed = self.spent()
            if spent == committed:
                return spent
            assert time.monotonic() < until, f"{committed - spent} micro-dollars stay reserved"
            time.sleep(0.05)

    def _month(self) -> dict[str, Any]:
        month = time.strftime("month#%Y-%m", time.gmtime())
        table = spend_table(self.environment)
        found = self.client("dynamodb").get_item(TableName=table, Key={"pk": {"S": month}})
        item: dict[str, Any] = found.get("Item", {})
        return item

    def spent_if_known(self) -> int:
        """What was spent; 0 while DynamoDB is away, which is after the month was begun anew."""
        try:
            return self.spent()[0]
        except EndpointConnectionError:
            return 0

    def new_moto(self) -> ThreadedMotoServer:
        """AWS is back, and knows what it knew."""
        return moto_server(self.moto_port)

    def clear_spend(self) -> None:
        """Begin the month anew."""
        month = time.strftime("month#%Y-%m", time.gmtime())
        table = spend_table(self.environment)
        self.client("dynamodb").delete_item(TableName=table, Key={"pk": {"S": month}})


def chat(*words: str, **more: Any) -> dict[str, Any]:
    """A question of these words."""
    said = " ".join(words) or "one two three"
    messages = [{"role": "user", "content": said}]
    return {"model": "mistral-7b", "messages": messages, "max_tokens": 40, **more}


def environment(
    moto_port: int, fallback: FallbackSettings = FALLBACK, name: str = "hosted"
) -> Environment:
    """The one that the gateway of the tests serves."""
    return Environment(
        name=name,
        region="us-east-1",
        owner="tests",
        model=ModelChoice(name="mistral-7b"),
        engine=EngineSettings(longest_generation_s=30),
        fallback=fallback,
        aws=AwsSettings(endpoint_url=f"http://127.0.0.1:{moto_port}"),
    )


@contextmanager
def standing(
    folder: Path,
    api_a: HostedApi,
    api_b: HostedApi,
    *,
    name: str = "hosted",
    provider_keys: bool = True,
    limits: dict[str, Any] | None = None,
    **fallback: Any,
) -> Iterator[Standing]:
    """A gateway until the end of the block. It may still be starting: see wait_ready.

    *limits* are written over what it is told. All of moto is one account: gateways that are not to
    share keys and counter have different names.
    """
    moto_port = free_port()
    moto = moto_server(moto_port)
    said = environment(moto_port, replace(FALLBACK, **fallback), name)
    folder.mkdir(parents=True, exist_ok=True)
    found = Standing(said, folder, api_a, api_b, moto, moto_port, limits or {})
    _furnish(found, provider_keys=provider_keys)
    try:
        found.start()
        yield found
    finally:
        if found.process is not None and found.process.poll() is None:
            found.stop()
        found.moto.stop()


def _furnish(found: Standing, *, provider_keys: bool) -> None:
    """The tables and secrets that Pulumi and a person would have made."""
    dynamodb, secrets = found.client("dynamodb"), found.client("secretsmanager")
    for table in (spend_table(found.environment), stale_table(found.environment)):
        with suppress(dynamodb.exceptions.ResourceInUseException):
            dynamodb.create_table(
                TableName=table,
                KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
    found.clear_spend()
    sha256 = hashlib.sha256(KEY.encode()).hexdigest()
    keys = {
        "team-a": {"sha256": sha256, "created": "2026-11-01T00:00:00+00:00"},
        "batch": {"sha256": "0" * 64, "created": "2026-11-01T00:00:00+00:00", "priority": "low"},
    }
    texts = {
        "client-keys": json.dumps({"version": 1, "keys": keys}),
        "openai-api-key": found.api_a.key if provider_keys else " ",
        "anthropic-api-key": found.api_b.key if provider_keys else " ",
    }
    for name, text in texts.items():
        put_secret(secrets, f"{found.environment.secret_root}/{name}", text)


def moto_server(port: int) -> ThreadedMotoServer:
    """moto on a port of the loopback; what it holds outlives the server."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    make_atomic()
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    return server


def put_secret(secrets: Any, name: str, text: str) -> None:
    """Write a secret, new or not."""
    try:
        secrets.create_secret(Name=name, SecretString=text)
    except secrets.exceptions.ResourceExistsException:
        secrets.put_secret_value(SecretId=name, SecretString=text)


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def read_reply(answer: http.client.HTTPResponse, hang_up_after: int | None = None) -> Reply:
    """A whole answer; of a stream at most so many events."""
    reply = Reply(answer.status, 0.0, {k.lower(): v for k, v in answer.getheaders()})
    if reply.headers.get("content-type", "").startswith("text/event-stream"):
        _read_events(answer, reply, hang_up_after)
    else:
        reply.body = answer.read()
    return reply


def _read_events(answer: http.client.HTTPResponse, reply: Reply, hang_up_after: int | None) -> None:
    rest = b""
    with suppress(http.client.IncompleteRead, ConnectionError):  # broken off: there is no [DONE]
        while block := answer.read1(65_536):
            *lines, rest = (rest + block).split(b"\n")
            found = [line[6:].decode() for line in lines if line.startswith(b"data: ")]
            reply.events += found
            if hang_up_after is not None and len(reply.events) >= hang_up_after:
                return
