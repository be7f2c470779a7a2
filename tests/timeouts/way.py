"""An answer's whole way on loopback: client, load balancer, front (nginx), engine.

Every timeout on it is one of a chain's, and between each two of them lies a wire that is long
enough for a request and the end of a connection to pass each other.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from provision.config.environment import FrontSettings
from provision.config.timeouts import TimeoutChain
from provision.render.front import nginx_config
from rehearsal.alb import LoadBalancer
from rehearsal.alb_health import Board
from rehearsal.alb_rules import Check, Forward, Group, Picture, Rule, Target
from tests.lab.quick.running import KEY, QUICK, Running, question
from tests.render.stubs import ANNA, Agent, accepts, free_port, places, start_nginx, wait_until
from tests.timeouts.relay import HOST, wire

WIRE_S = 0.2
PATIENCE_S = 8.0  # of the client, who waits for three seconds of tokens
TOKEN_S = 0.05
TOKENS = 60  # three seconds


@dataclass
class Way:
    """What a test holds in its hands."""

    chain: TimeoutChain
    engine: Running
    balancer: LoadBalancer
    port: int
    run: Any
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        headers = {"Authorization": f"Bearer {ANNA}"}
        base = f"http://{HOST}:{self.port}"
        self.client = httpx.Client(
            base_url=base, headers=headers, trust_env=False, timeout=PATIENCE_S
        )

    def ask(self, tokens: int = 1) -> httpx.Response:
        """One whole answer."""
        return self.client.post("/v1/chat/completions", json=question(max_tokens=tokens))

    def result(self, tokens: int = TOKENS) -> str:
        """What a client makes of one answer: "whole", or what went wrong."""
        try:
            answer = self.ask(tokens)
        except httpx.HTTPError as error:
            return type(error).__name__
        if answer.status_code != 200:
            return f"HTTP {answer.status_code}"
        whole = answer.json()["usage"]["completion_tokens"] == tokens
        return "whole" if whole else "cut"

    def in_background(self) -> tuple[threading.Thread, list[str]]:
        """A long answer under way in the engine, and where its result will be."""
        results: list[str] = []
        thread = threading.Thread(target=lambda: results.append(self.result()))
        thread.start()
        wait_until(lambda: self.engine.metric("vllm:num_requests_running") == 1)
        return thread, results

    def stop_engine(self) -> threading.Thread:
        """As Docker stops a container: asked, and killed after the grace."""

        def stop() -> None:
            self.engine.process.send_signal(signal.SIGTERM)
            try:
                self.engine.process.wait(self.chain.compose_grace_s)
            except subprocess.TimeoutExpired:
                self.engine.process.kill()

        thread = threading.Thread(target=stop)
        thread.start()
        return thread

    def deregister(self) -> None:
        """Take the only target out of the load balancer."""
        self.run(self.balancer.show(_picture(self.chain, self.port, None, self.engine.port)))


@contextmanager
def standing(chain: TimeoutChain) -> Iterator[Way]:
    """All of it, up and answering."""
    with ExitStack() as stack:
        scratch = Path(tempfile.mkdtemp(prefix="llm-fleet-way-"))
        scratch.chmod(0o755)  # nginx's workers are another user
        stack.callback(shutil.rmtree, scratch, ignore_errors=True)
        engine = stack.enter_context(_engine(chain, scratch))
        run = stack.enter_context(_loop())
        to_engine = stack.enter_context(wire(engine.port, WIRE_S))
        front = stack.enter_context(_front(chain, scratch, to_engine))
        to_front = stack.enter_context(wire(front, WIRE_S))
        port = free_port()
        balancer = LoadBalancer(HOST, Board())
        run(balancer.show(_picture(chain, port, to_front, engine.port)))
        stack.callback(lambda: run(balancer.close()))
        way = Way(chain, engine, balancer, port, run)
        with way.client:
            yield way


@contextmanager
def _engine(chain: TimeoutChain, scratch: Path) -> Iterator[Running]:
    variables = {
        "VLLM_HTTP_TIMEOUT_KEEP_ALIVE": str(chain.engine_keepalive_s),
        "QUICK_LOAD_S": "0",
        "QUICK_TOKEN_S": str(TOKEN_S),
    }
    arguments = ("--shutdown-timeout", str(chain.engine_shutdown_s))
    with QUICK.started(scratch, *arguments, variables=variables) as engine:
        yield engine


@contextmanager
def _front(chain: TimeoutChain, scratch: Path, engine_port: int) -> Iterator[int]:
    agent, port = Agent(scratch / "agent.sock"), free_port()
    (scratch / "hop.conf").write_text(f'proxy_set_header Authorization "Bearer {KEY}";\n')
    text = nginx_config(
        FrontSettings(),
        engines=[f"{HOST}:{engine_port}"],
        chain=chain,
        places=places(scratch, port),
    )
    (scratch / "nginx.conf").write_text(text)
    process = start_nginx(scratch)
    try:
        wait_until(lambda: accepts(port))
        yield port
    finally:
        process.terminate()
        process.wait(10)
        agent.stop()


@contextmanager
def _loop() -> Iterator[Any]:
    """An event loop in a thread of its own; what is given to it is waited for."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(10)

    try:
        yield run
    finally:
        run(_settle())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _settle() -> None:
    """End what still runs, and let connections close."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0.1)


def _picture(chain: TimeoutChain, port: int, front: int | None, engine: int) -> Picture:
    check = Check(path="/health", port=engine, interval_s=0.5, timeout_s=2)
    targets = (Target("host", front, HOST),) if front else ()
    group = Group("primary", check, targets, chain.deregistration_delay_s)
    rules = (Rule(10, (("path-pattern", "", ("/v1/*",)),), Forward((("primary", 100),))),)
    return Picture({port: rules}, {"primary": group}, chain.load_balancer_idle_s)
