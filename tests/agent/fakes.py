"""Stand-ins for a host: its clock, its commands, its engine. Strict: the unexpected is an error."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from provision.agent.docker import ENGINE_PREFIX, FRONT
from provision.agent.system import Completed

STARTED_AT = "2026-11-21T03:00:00.000000000Z"


class FakeClock:
    """Time that passes only when somebody waits; *on_sleep* may change the world meanwhile."""

    def __init__(self, now: float = 1_795_230_000.0) -> None:
        self._now = now
        self.on_sleep: Callable[[], None] = lambda: None

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += seconds
        self.on_sleep()


@dataclass
class FakeContainer:
    """A container as Docker would show it."""

    name: str
    image: str
    folder: str
    status: str = "running"
    id: str = ""
    started_at: str = STARTED_AT
    restart_count: int = 0
    exit_code: int = 0

    def shown(self) -> dict[str, Any]:
        labels = {"com.docker.compose.project.working_dir": self.folder}
        return {
            "Id": self.id,
            "Name": f"/{self.name}",
            "RestartCount": self.restart_count,
            "State": {
                "Status": self.status,
                "StartedAt": self.started_at,
                "ExitCode": self.exit_code,
            },
            "Config": {"Image": self.image, "Labels": labels},
        }


@dataclass
class FakeMachine:
    """Docker, systemd and disks of a host, as their commands show them.

    ``fail`` maps the beginning of a command to what it answers instead; ``calls`` keeps every
    command that changes something.
    """

    images: set[str] = field(default_factory=set)
    registry: set[str] = field(default_factory=set)
    containers: dict[str, FakeContainer] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    fail: dict[str, Completed] = field(default_factory=dict)
    hooks: dict[str, Callable[[], None]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    logins: dict[str, str] = field(default_factory=dict)
    compose_v2: bool = False
    other: dict[str, Callable[[list[str]], Completed]] = field(default_factory=dict)
    _made: int = 0

    def run(self, words: Sequence[str], *, timeout_s: float, stdin: str = "") -> Completed:
        assert timeout_s > 0
        line = " ".join(_without_config(words))
        for beginning, hook in list(self.hooks.items()):
            if line.startswith(beginning):
                hook()
        for beginning, answer in self.fail.items():
            if line.startswith(beginning):
                return answer
        return self._answer(_without_config(words), line, stdin)

    def _answer(self, words: list[str], line: str, stdin: str) -> Completed:
        if words[0] in self.other:
            self.calls.append(line)
            return self.other[words[0]](words)
        if words[:2] == ["docker", "inspect"]:
            return self._inspect(words[4:])
        if words[:3] == ["docker", "image", "inspect"]:
            return Completed(0 if words[-1] in self.images else 1)
        if words[:2] == ["docker", "ps"]:
            return self._ps(words)
        if words[:2] == ["docker", "logs"]:
            known = words[-1] in self.containers
            return Completed(0 if known else 1, out=self.logs.get(words[-1], ""))
        if words[:2] == ["docker", "compose"] and not self.compose_v2:
            return Completed(1, err="docker: 'compose' is not a docker command.")
        if line.endswith("version"):
            return Completed(0, out="1.29.2")
        self.calls.append(line)
        return self._change(words, line, stdin)

    def _change(self, words: list[str], line: str, stdin: str) -> Completed:
        verb = words[1]
        if "up -d" in line:
            only = words[words.index("--no-deps") + 1] if "--no-deps" in words else ""
            self._up(Path(words[words.index("--project-directory") + 1]), only)
        elif words[0] == "systemctl":
            pass
        elif verb == "login":
            self.logins[words[-1]] = stdin
        elif verb == "pull":
            if words[-1] not in self.registry:
                return Completed(1, err=f"manifest for {words[-1]} not found: manifest unknown")
            self.images.add(words[-1])
        elif verb == "stop":
            self.containers[words[-1]].status = "exited"
        elif verb == "restart":
            self.containers[words[-1]].started_at = f"{STARTED_AT[:-1]}1Z"
        elif verb == "rm":
            del self.containers[words[-1]]
        elif verb == "tag":
            self.images.add(words[-1])
        elif verb == "build":
            self.images.add(words[words.index("--tag") + 1])
        elif verb == "push":
            self.registry.add(words[-1])
        elif words[1:3] == ["image", "rm"]:
            self.images.discard(words[-1])
        elif verb != "logout":
            raise AssertionError(f"an unprepared command: {line}")
        return Completed(0)

    def _inspect(self, names: list[str]) -> Completed:
        found = [self.containers[name].shown() for name in names if name in self.containers]
        missing = [name for name in names if name not in self.containers]
        err = "\n".join(f"Error response from daemon: No such container: {n}" for n in missing)
        return Completed(1 if missing else 0, out=json.dumps(found), err=err)

    def _ps(self, words: list[str]) -> Completed:
        wanted = words[words.index("--filter") + 1]
        if wanted.startswith("publish="):
            return Completed(0, out="")
        return Completed(0, out="\n".join(self.containers))

    def _up(self, folder: Path, only: str) -> None:
        """As compose does it: what runs from this very file stays, what is not there is made."""
        manifest = json.loads((folder / "release.json").read_text())
        images = manifest["facts"]["images"]
        engines = [f"{ENGINE_PREFIX}{index}" for index in range(manifest["facts"]["replicas"])]
        for name in [FRONT, *engines]:
            if only and not name.endswith(only):
                continue
            image = images["front" if name == FRONT else "engine"]
            assert image in self.images, f"compose would have to pull {image}"
            there = self.containers.get(name)
            if there is not None and there.folder == str(folder):
                there.status = "running"
                continue
            assert there is None or name == FRONT or not only, f"{name} was not removed before"
            self._made += 1
            self.containers[name] = FakeContainer(
                name, image, str(folder), id=f"container-{self._made}"
            )


def _without_config(words: Sequence[str]) -> list[str]:
    kept = list(words)
    if "--config" in kept:
        at = kept.index("--config")
        del kept[at : at + 2]
    return kept


@dataclass
class EngineBehaviour:
    """How the stub engine behaves from now on."""

    status: int = 200
    hang: threading.Event | None = None  # answers wait for it
    first_token_s: float = 0.0
    sleep: Callable[[float], None] = time.sleep
    broken_stream: bool = False
    text: str = "hello"
    ending: str | None = "length"
    tokens: int | None = 4
    served: dict[str, float] = field(default_factory=dict)
    first_tokens: dict[float, float] = field(default_factory=dict)  # of the histogram
    headers: dict[str, str] = field(default_factory=dict)
    steps: int = 0
    steps_move: bool = True
    healthy: bool = True
    secret: str = "hop"
    asked: list[dict[str, Any]] = field(default_factory=list)


METRICS = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{{engine="0",model_name="mistral-7b"}} 2.0
vllm:num_requests_waiting{{engine="0",model_name="mistral-7b"}} 1.0
vllm:kv_cache_usage_perc{{engine="0",model_name="mistral-7b"}} 0.25
vllm:iteration_tokens_total_count{{engine="0",model_name="mistral-7b"}} {steps}
vllm:request_success_total{{engine="0",finished_reason="abort",model_name="mistral-7b"}} 3.0
vllm:request_success_total{{engine="0",finished_reason="error",model_name="mistral-7b"}} {broken}
vllm:request_success_created{{engine="0",finished_reason="error",model_name="m"}} 1.795852761e+09
vllm:admission_rejections_total{{model_name="mistral-7b",reason="max_num_queued_reqs"}} {refused}
vllm:admission_rejections_total{{model_name="mistral-7b",reason="max_num_queued_tokens"}} 0.0
vllm:time_to_first_token_seconds_count{{engine="0",model_name="mistral-7b"}} {first_tokens}
vllm:time_to_first_token_seconds_sum{{engine="0",model_name="mistral-7b"}} {first_tokens_s}
http_requests_total{{handler="/v1/completions",method="POST",status="2xx"}} {answered}
http_requests_total{{handler="/v1/chat/completions",method="POST",status="5xx"}} {failed}
http_requests_total{{handler="/v1/completions",method="POST",status="4xx"}} 7.0
http_requests_total{{handler="/v1/models",method="GET",status="2xx"}} 900.0
"""
COUNTERS = ("answered", "failed", "refused", "broken", "first_tokens", "first_tokens_s")


def _whole(behaviour: EngineBehaviour, chat: bool) -> dict[str, Any]:
    content = {"message": {"content": behaviour.text}} if chat else {"text": behaviour.text}
    choice = {"index": 0, **content, "finish_reason": behaviour.ending}
    return {"choices": [choice], **_usage(behaviour)}


def _stream(behaviour: EngineBehaviour, chat: bool) -> str:
    """Text in one chunk, then how it ended, then how many tokens it was, as vLLM sends it."""
    content = {"delta": {"content": behaviour.text}} if chat else {"text": behaviour.text}
    nothing = {"delta": {}} if chat else {"text": ""}
    chunks: list[dict[str, Any]] = [
        {"choices": [{"index": 0, **content, "finish_reason": None}]},
        {"choices": [{"index": 0, **nothing, "finish_reason": behaviour.ending}]},
        {"choices": [], **_usage(behaviour)},
    ]
    return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)


def _usage(behaviour: EngineBehaviour) -> dict[str, Any]:
    if behaviour.tokens is None:
        return {}
    return {"usage": {"prompt_tokens": 9, "completion_tokens": behaviour.tokens}}


def _histogram(first_tokens: dict[float, float]) -> str:
    name = "vllm:time_to_first_token_seconds_bucket"
    return "".join(
        f'{name}{{engine="0",le="{"+Inf" if bound == float("inf") else bound}",'
        f'model_name="mistral-7b"}} {count}\n'
        for bound, count in first_tokens.items()
    )


@contextmanager
def stub_engine(behaviour: EngineBehaviour) -> Iterator[int]:
    """An engine's HTTP face on loopback; yields its port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            if self.path == "/metrics":
                served = {name: behaviour.served.get(name, 0.0) for name in COUNTERS}
                text = METRICS.format(steps=behaviour.steps, **served)
                self._say(200, text + _histogram(behaviour.first_tokens))
            else:
                self._say(200 if behaviour.healthy else 503, "")

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            behaviour.asked.append(body)
            if behaviour.steps_move:
                behaviour.steps += 1
            if behaviour.hang is not None:
                behaviour.hang.wait(10)
            if self.headers["Authorization"] != f"Bearer {behaviour.secret}":
                self._say(401, '{"error":"Unauthorized"}')
            elif behaviour.status != 200 or not body["stream"]:
                self._say(behaviour.status, json.dumps(_whole(behaviour, "messages" in body)))
            else:
                end = "" if behaviour.broken_stream else "data: [DONE]\n\n"
                self._say(200, _stream(behaviour, "messages" in body) + end, behaviour)

        def _say(self, status: int, text: str, slow: EngineBehaviour | None = None) -> None:
            data = text.encode()
            try:
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                for name, value in behaviour.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if slow:
                    slow.sleep(slow.first_token_s)
                self.wfile.write(data)
            except OSError:
                pass  # the asker's deadline passed

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        if behaviour.hang is not None:
            behaviour.hang.set()
        server.shutdown()
        server.server_close()
        thread.join()
