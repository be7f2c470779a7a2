"""The command line over fakes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from invoke.program import Program

import playbooks
from playbooks.session import Session
from provision.commands.command import Result
from provision.connectors.protocols import Answer
from provision.executor import gather
from provision.executor.target import target_of
from provision.facts.host import HostFacts
from provision.planning.situation import Target
from provision.secret import Secret
from provision.testing import samples
from provision.testing.clock import FakeClock
from provision.testing.cloud import FakeCloud
from provision.testing.http import FakeHttp
from provision.testing.shell import FakeShell

URL = "http://fleet.test/v1/chat/completions"
PRIMARY = {"x-llm-tier": "primary"}
WHOLE = Answer(200, PRIMARY, '{"choices": [{"message": {"content": "Hi."}}]}')
STREAMED = Answer(200, PRIMARY, "data: {}\n\ndata: [DONE]", chunks=9)


@dataclass(frozen=True)
class Said:
    """How a task ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Fleet:
    """An environment ``test`` in which everything works until a test breaks something."""

    run: Callable[..., Said]
    cloud: FakeCloud
    shell: FakeShell = field(default_factory=FakeShell)
    http: FakeHttp = field(default_factory=FakeHttp)
    clock: FakeClock = field(default_factory=FakeClock)
    environment: Any = field(default_factory=samples.environment)
    facts: dict[str, HostFacts] = field(default_factory=dict)
    unreachable: dict[str, Exception] = field(default_factory=dict)

    @property
    def target(self) -> Target:
        """What the environment describes."""
        return target_of(self.environment, repository_url=samples.REPOSITORY_URL)

    def session(self) -> Session:
        return Session(
            self.environment, "test, named by --env", self.cloud, self.shell, self.http, self.clock
        )


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Fleet:
    """Two new hosts; ``run("deploy", "--yes")`` types a command."""

    def run(*words: str) -> Said:
        code = 0
        try:
            Program(namespace=playbooks.ns, name="fab").run(["fab", *words])
        except SystemExit as ended:
            code = int(ended.code or 0)
        out, err = capsys.readouterr()
        return Said(code, out, err)

    hosts = samples.hosts(2)
    fleet = Fleet(run, FakeCloud(samples.outputs(), hosts))
    fleet.facts = {host.name: samples.facts() for host in hosts}
    fleet.cloud.health = {host.name: ["healthy"] for host in hosts}
    fleet.cloud.secrets["llm-fleet/test/hub-token"] = Secret("hf_token")
    fleet.shell.prepare("*readlink*", Result(0, "/\n"))
    fleet.shell.prepare("python3 */host.pyz *", Result(0, '{"event": "done", "t": 1}\n'))
    fleet.http.prepare("POST", URL, WHOLE, STREAMED)

    def look(host: Any, _shell: Any, **_: Any) -> Any:
        return fleet.unreachable.get(host.name) or fleet.facts[host.name]

    monkeypatch.setattr(gather, "_facts", look)
    monkeypatch.setattr(Session, "open", classmethod(lambda cls, env: fleet.session()))
    return fleet
