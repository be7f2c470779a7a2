"""A rehearsal that stands, as its operator has it: `fab`, clients, and a hand on the hosts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from provision.config.environment import Environment
from provision.config.load import REHEARSAL, load, standing_rehearsal
from provision.connectors.aws import AwsCloud
from rehearsal.ec2 import client
from rehearsal.world import World

ROOT = Path(__file__).resolve().parents[3]
FAB = Path(sys.executable).with_name("fab")
ENGINE_PYTHON = "LLM_FLEET_ENGINE_PYTHON"
_NOT_OURS = ("AWS_", "PULUMI_", "LLM_FLEET_")


@dataclass(frozen=True)
class Done:
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its whole standard output as JSON."""
        return json.loads(self.out)

    def __str__(self) -> str:
        return f"exit {self.code}\n{self.out[-2000:]}\n{self.err[-2000:]}"


@dataclass(frozen=True)
class Asked:
    """A request of a client: when it was sent, and what came."""

    id: str
    at: float
    status: int
    tier: str = ""
    body: Any = None


def fab(
    *words: str, timeout_s: float = 300, folder: Path = ROOT, engine: Path | None = None
) -> Done:
    """Type a `fab` command in a project's folder; *engine* is the interpreter of another engine."""
    done = subprocess.run(
        [FAB, *words],
        cwd=folder,
        env=bare(engine),
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def bare(engine: Path | None = None) -> dict[str, str]:
    """This process's variables without those of an account or of a chosen environment."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(_NOT_OURS)}
    return {**kept, ENGINE_PYTHON: str(engine)} if engine else kept


@contextmanager
def standing(
    hosts: int, *, folder: Path = ROOT, engine: Path | None = None, timeout_s: float = 900
) -> Iterator[Fleet]:
    """`fab rehearse --keep` with *hosts* that serve; taken away at the end, and nothing is left."""
    assert not World().is_standing(), "a rehearsal stands already: `fab rehearse --down`"
    words = ("rehearse", "--keep", "--hosts", str(hosts), "--json")
    try:
        done = fab(*words, timeout_s=timeout_s, folder=folder, engine=engine)
        assert done.code == 0, str(done)
        fleet = Fleet(done.json, folder)
        with fleet.http:
            yield fleet
    finally:
        down = fab("rehearse", "--down", "--json")
    assert down.code == 0, str(down)
    assert down.json["left_behind"] == []


def eventually(condition: Callable[[], object], *, seconds: float, why: str = "") -> None:
    """Wait for something that other processes do."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {why}"
        time.sleep(0.5)


@dataclass
class Fleet:
    """What stands. ``said`` is the JSON of the `fab rehearse` that made it, typed in *folder*."""

    said: Mapping[str, Any]
    folder: Path = ROOT
    world: World = field(default_factory=World)
    http: httpx.Client = field(default_factory=lambda: httpx.Client(trust_env=False, timeout=60))

    @property
    def file(self) -> Path:
        """The environment file of the standing rehearsal."""
        return standing_rehearsal(Path.home())

    @cached_property
    def environment(self) -> Environment:
        """What was rehearsed."""
        return load(REHEARSAL, folder=ROOT, standing=self.file)

    @cached_property
    def cloud(self) -> AwsCloud:
        """The account, through the project's own door."""
        return AwsCloud(self.environment)

    @property
    def third(self) -> str:
        """The host that joined the two of the beginning."""
        (host,) = set(self.world.hosts()) - set(self.said["hosts"])
        return host

    def aws(self, service: str) -> Any:
        """A boto3 client for what the project's own door does not open."""
        return client(service, self.world.settings())

    def fab(self, *words: str, timeout_s: float = 300) -> Done:
        """Type a `fab` command for this rehearsal."""
        return fab(*words, "--env", REHEARSAL, timeout_s=timeout_s, folder=self.folder)

    @contextmanager
    def typing(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """A `fab` command while it runs, in a process group of its own as on a terminal."""
        process = subprocess.Popen(
            [FAB, *words, "--env", REHEARSAL],
            cwd=self.folder,
            env=bare(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )
        with process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)

    def inside(self, host: str, script: str) -> str:
        """Run a shell script on a host, not over SSH; it must succeed."""
        done = self.world.host(host).run("sh", "-c", script)
        assert done.returncode == 0, f"{host}: {script}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def agent(self, host: str) -> dict[str, Any]:
        """The status document of the agent on *host*."""
        document: dict[str, Any] = json.loads(
            self.inside(host, "curl -fsS http://127.0.0.1:8081/status")
        )
        return document

    def state(self, host: str) -> str:
        """The agent's word, "" while there is none."""
        done = self.world.host(host).run("curl", "-fsS", "http://127.0.0.1:8081/status")
        return str(json.loads(done.stdout)["state"]) if done.returncode == 0 else ""

    def release(self, host: str) -> str:
        """The release that a host's ``current`` points to."""
        return Path(self.inside(host, "readlink /opt/llm-fleet/current")).name

    def events(self, host: str) -> list[dict[str, Any]]:
        """What the host program said since the host booted."""
        return [
            json.loads(line)
            for line in self.inside(host, "cat /run/llm-fleet/events*").splitlines()
        ]

    def health(self) -> dict[str, str]:
        """What the load balancer thinks of its targets."""
        return {one.host: one.state for one in self.cloud.target_health()}

    def wait_in_traffic(self, *hosts: str, seconds: float = 60) -> None:
        """Until the load balancer calls all of *hosts* healthy."""
        eventually(
            lambda: {self.health().get(host) for host in hosts} == {"healthy"},
            seconds=seconds,
            why=f"{hosts} in traffic",
        )

    def ask(
        self, *, key: str | None = None, path: str = "/v1/chat/completions", **options: Any
    ) -> Asked:
        """A client's request through the load balancer; *key* "" sends none."""
        headers = {"X-Request-Id": uuid.uuid4().hex}
        if key != "":
            headers["Authorization"] = f"Bearer {key or self.said['api_key']}"
        at = time.time()
        answer = self.http.post(
            f"{self.said['endpoint']}{path}", json={**_QUESTION, **options}, headers=headers
        )
        ours = answer.headers["content-type"].startswith("application/json")
        return Asked(
            id=headers["X-Request-Id"],
            at=at,
            status=answer.status_code,
            tier=answer.headers.get("x-llm-tier", ""),
            body=answer.json() if ours else answer.text,
        )

    @contextmanager
    def asked_all_the_time(self) -> Iterator[list[Asked]]:
        """Requests one after the other in the background; all that came so far."""
        came: list[Asked] = []
        ended = threading.Event()

        def go_on() -> None:
            while not ended.wait(0.5):
                try:
                    came.append(self.ask(max_tokens=4))
                except httpx.HTTPError as error:
                    came.append(Asked("", time.time(), 0, body=repr(error)))

        thread = threading.Thread(target=go_on)
        thread.start()
        try:
            yield came
        finally:
            ended.set()
            thread.join()

    def served(self, host: str, asked: Iterable[Asked]) -> list[Asked]:
        """Those of *asked* that came to the front of *host*."""
        log = self.inside(host, "docker logs llm-fleet-front 2>/dev/null || true")
        return [one for one in asked if f'"id":"{one.id}"' in log]


_QUESTION = {
    "model": "mistral-7b",
    "max_tokens": 8,
    "messages": [{"role": "user", "content": "Hello?"}],
}
