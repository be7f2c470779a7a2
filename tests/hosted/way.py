"""A request's whole way out, standing: a host's front and engine, a gateway's task, hosted APIs.

Everything is real but the model and the providers: the front of a host, a gateway's task with its
front, LiteLLM, and an engine that is a process of its own (held to the contract of vLLM, see
tests/lab/quick), so that it can be killed and frozen. There is no agent.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from provision.agent.out import Out
from provision.config.environment import EngineSettings, FrontSettings
from provision.config.timeouts import chain
from provision.render.front import Spill, gateway_config, nginx_config
from rehearsal.hosted_api import Fault, Manner
from tests.hosted.standing import KEY, Reply, Standing, chat, free_port, read_reply
from tests.lab.quick.running import KEY as ENGINE_KEY
from tests.lab.quick.running import QUICK, Running, eventually
from tests.render.stubs import accepts, places, start_nginx

READ_S = 7  # what a front waits: longer than both providers' time-outs together, and then some
PLACES_IN_ENGINE = 16
COOLED_S = 0.2
CLIENT_S = 30.0
FRONT = FrontSettings(requests_per_minute_per_key=60_000)
LINKS = replace(chain(EngineSettings(longest_generation_s=1)), front_read_s=READ_S)


@dataclass(frozen=True, slots=True)
class Secondary:
    """How the second tier is: both hosted APIs alike (None: nobody listens), or no gateway."""

    name: str
    manner: Manner | None = None
    gone: bool = False

    @property
    def well(self) -> bool:
        """It can answer."""
        return self.manner is not None and self.manner.fault is Fault.NONE and not self.gone


@dataclass
class Way:
    """A host's front, its engine when it lives, and the gateway's task."""

    gateway: Standing
    folder: Path
    pool: ThreadPoolExecutor
    port: int = field(default_factory=free_port)
    task_port: int = field(default_factory=free_port)
    engine_port: int = field(default_factory=free_port)
    _engine: Running | None = None
    _held: ExitStack = field(default_factory=ExitStack)
    _task: subprocess.Popen[bytes] | None = None
    _secondary: Secondary | None = None

    @property
    def engine(self) -> Running:
        """The engine, started when there is none."""
        if self._engine is None:
            self._engine = self._held.enter_context(
                QUICK.started(
                    self.folder,
                    *("--max-num-seqs", str(PLACES_IN_ENGINE), "--max-num-queued-reqs", "0"),
                    variables={"VLLM_CACHE_ROOT": str(self.folder / "cache"), "QUICK_LOAD_S": "0"},
                    port=self.engine_port,
                )
            )
        return self._engine

    def kill(self) -> None:
        """No engine, from one moment to the next; what it was doing is gone."""
        if self._engine is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._engine.process.pid, signal.SIGKILL)
        self._engine = None
        self._held.close()

    def behave(self, **said: str) -> None:
        """How the engine behaves from the next request on."""
        lines = [f"QUICK_{name.upper()}={value}\n" for name, value in said.items()]
        (self.folder / "quick.env").write_text("".join(lines))

    def mark(self, *down: int) -> None:
        """The agent's word on which engines are down."""
        Out(self.folder / "host/out").update(lambda _: down)

    def turn(self, secondary: Secondary) -> None:
        """Let the second tier be like that, and the gateway forget how it was."""
        if secondary is self._secondary:
            return
        before, self._secondary = self._secondary, secondary
        for api in (self.gateway.api_a, self.gateway.api_b):
            api.behave(secondary.manner or Manner())
            if secondary.manner is None:
                api.refuse()
        if secondary.gone:
            self.stop_task()
        elif self._task is None:
            self.start_task()
        if before is not None and not before.well and not secondary.gone:
            time.sleep(self.gateway.environment.fallback.cooldown_s + COOLED_S)

    def start_task(self) -> None:
        """The front of the gateway's task."""
        self._task = start_nginx(self.folder / "task")
        eventually(lambda: accepts(self.task_port))

    def stop_task(self) -> None:
        """Nobody listens where the gateway was."""
        if self._task is not None:
            self._task.terminate()
            self._task.wait(10)
        self._task = None

    def ask(self, stream: bool) -> Reply | None:
        """As a client does; None when there is no answer at all, or half of a whole one."""
        begun = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=CLIENT_S)
        told = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        try:
            body = json.dumps(chat(stream=stream))
            connection.request("POST", "/v1/chat/completions", body, told)
            reply = read_reply(connection.getresponse())
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
        reply.seconds = time.monotonic() - begun
        return reply


@contextmanager
def way(gateway: Standing) -> Iterator[Way]:
    """All of it before a gateway that is ready; its providers are well again at the end."""
    folder = Path(tempfile.mkdtemp(prefix="llm-fleet-ways-"))
    with ThreadPoolExecutor(64) as pool:
        found = Way(gateway, folder, pool)
        _write(found)
        host = start_nginx(folder / "host")
        try:
            eventually(lambda: accepts(found.port))
            yield found
        finally:
            found.kill()
            found.turn(Secondary("well", Manner()))
            found.stop_task()
            host.terminate()
            host.wait(10)
            shutil.rmtree(folder)


def _write(found: Way) -> None:
    """Both fronts' files. Keys are the gateway's own matter, for both of them."""
    run = found.gateway.folder / "run"
    for name in ("", "host", "task"):  # nginx's workers are another user
        (found.folder / name).mkdir(exist_ok=True)
        (found.folder / name).chmod(0o755)
    host, task = found.folder / "host", found.folder / "task"
    socket = str(run / "agent.sock")
    (host / "hop.conf").write_text(f'proxy_set_header Authorization "Bearer {ENGINE_KEY}";\n')
    (host / "nginx.conf").write_text(
        nginx_config(
            FRONT,
            engines=[f"127.0.0.1:{found.engine_port}"],
            chain=LINKS,
            places=replace(places(host, found.port), agent_socket=socket),
            spill=Spill(f"127.0.0.1:{found.task_port}", "127.0.0.1"),
        )
    )
    at_task = replace(places(task, found.task_port), agent_socket=socket)
    (task / "nginx.conf").write_text(
        gateway_config(
            FRONT,
            chain=LINKS,
            gateway=f"127.0.0.1:{found.gateway.port}",
            places=replace(at_task, hop=str(run / "hop.conf")),
        )
    )
