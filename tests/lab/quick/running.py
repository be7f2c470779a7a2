"""An engine as a process on loopback: the quick one, or vLLM itself with the tiny model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from rehearsal import engine, tiny_model
from tests.lab.quick import environment
from tests.render.stubs import free_port, wait_until

NAME = "mistral-7b"
KEY = "the-hop-secret"
_MODULE = "vllm.entrypoints.openai.api_server"
_REAL_START_S = 240.0
_QUICK_START_S = 10.0
# What the rehearsal gives vLLM on a CPU.
_REAL_ARGUMENTS = ("--dtype", "float32", "--enforce-eager")
_REAL_VARIABLES = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
}


@dataclass
class Running:
    """One engine: its process, and a client that has the key."""

    process: subprocess.Popen[bytes]
    http: httpx.Client
    port: int
    log: Path

    def ask(self, **more: Any) -> httpx.Response:
        """One chat."""
        return self.http.post("/v1/chat/completions", json=question(**more))

    def stream(self, **more: Any) -> list[Any]:
        """One chat, streamed: its events, the last one as text."""
        return list(self.events(**more))

    def events(self, **more: Any) -> Iterator[Any]:
        """The events of a streamed chat, as they come."""
        body = question(stream=True, **more)
        with self.http.stream("POST", "/v1/chat/completions", json=body) as answer:
            assert answer.status_code == 200
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    text = line[6:]
                    yield text if text == "[DONE]" else json.loads(text)

    def health(self) -> int:
        """The status of /health, 0 while nobody listens."""
        try:
            return self.http.get("/health").status_code
        except httpx.TransportError:
            return 0

    def metric(self, name: str) -> float:
        """The sum of a number over its labels."""
        lines = self.http.get("/metrics").text.splitlines()
        values = [float(line.split()[-1]) for line in lines if line.startswith(f"{name}{{")]
        assert values, f"no {name}"
        return sum(values)

    def signal_core(self, which: signal.Signals) -> None:
        """Send a signal to the process that does the work."""
        os.kill(self.core(), which)

    def core(self) -> int:
        """The process id of the engine's core."""
        words = ["pgrep", "-f", "VLLM::EngineCore", "--session", str(self.process.pid)]
        found = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
        return int(found[0])

    def wait_ready(self, seconds: float) -> None:
        """Until the port answers; the log is shown when it never does."""
        deadline = time.monotonic() + seconds
        while self.health() != 200:
            code = self.process.poll()
            assert code is None, f"exit {code}: {self.log.read_text()[-2000:]}"
            assert time.monotonic() < deadline, self.log.read_text()[-2000:]
            time.sleep(0.05)


@dataclass(frozen=True)
class Kind:
    """Which engine, and how long its start may take."""

    name: str
    start_s: float

    @property
    def real(self) -> bool:
        """vLLM itself."""
        return self.name == "real"

    @contextmanager
    def loading(
        self,
        folder: Path,
        *arguments: str,
        variables: Mapping[str, str] | None = None,
        port: int | None = None,
    ) -> Iterator[Running]:
        """A process that has just begun, on a free port unless one is said; killed at the end."""
        port = port or free_port()
        log = folder / f"engine-{port}.log"
        words = ["--port", str(port), "--host", "127.0.0.1", "--served-model-name", NAME]
        words += ["--max-model-len", "2048", *(_REAL_ARGUMENTS if self.real else ()), *arguments]
        python, model = self._program(folder)
        with log.open("wb") as out:
            process = subprocess.Popen(
                [python, "-m", _MODULE, "--model", model, *words],
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={
                    "PATH": os.environ["PATH"],
                    "HOME": os.environ["HOME"],
                    "VLLM_API_KEY": KEY,
                    **(_REAL_VARIABLES if self.real else {}),
                    **(variables or {}),
                },
            )
        base = f"http://127.0.0.1:{port}"
        headers = {"Authorization": f"Bearer {KEY}"}
        try:
            with httpx.Client(base_url=base, headers=headers, trust_env=False, timeout=30) as http:
                yield Running(process, http, port, log)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)

    def _program(self, folder: Path) -> tuple[Path, Path]:
        """The interpreter, and the folder of weights (which the quick one does not open)."""
        if not self.real:
            return environment.ensure(folder / "quick"), folder
        return engine.python(), tiny_model.ensure(engine.CACHE / "tiny-model", engine.python())

    @contextmanager
    def started(
        self,
        folder: Path,
        *arguments: str,
        variables: Mapping[str, str] | None = None,
        port: int | None = None,
    ) -> Iterator[Running]:
        """An engine that answers."""
        with self.loading(folder, *arguments, variables=variables, port=port) as running:
            running.wait_ready(self.start_s)
            yield running


QUICK = Kind("quick", _QUICK_START_S)
REAL = Kind("real", _REAL_START_S)


def question(**more: Any) -> dict[str, Any]:
    """A chat that wants eight tokens."""
    return {
        "model": NAME,
        "max_tokens": 8,
        "ignore_eos": True,
        "messages": [{"role": "user", "content": "Hello?"}],
        **more,
    }


def eventually(condition: Any, seconds: float = 30) -> None:
    """Wait for what another process does."""
    wait_until(condition, timeout_s=seconds)
