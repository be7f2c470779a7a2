"""What nginx adds before an engine: the same stub asked directly and through a front, in one run.

The stub answers at once (what the way itself takes) or after 100 ms (an engine that works, so that
clients keep it busy as they keep a GPU). Direct and through are asked in turns, in short rounds:
whatever else the machine does befalls both. Everything on loopback.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import shutil
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path

from bench.measure import table, verdict
from provision.config.environment import EngineSettings, FrontSettings
from provision.config.timeouts import chain
from provision.render.front import Spill, gateway_config, nginx_config
from tests.render.stubs import ANNA, HOP, Agent, accepts, free_port, places, start_nginx, wait_until

ROUNDS, ALONE_S, CROWD_S, CROWD, SERVICE_S = 9, 0.6, 1.5, 64, 0.1
MOST_ADDED_MS, LEAST_SHARE = 0.5, 0.95
FRONT = FrontSettings(requests_per_minute_per_key=1_000_000)
BODY = b'{"model": "m", "messages": [{"role": "user", "content": "' + b"word " * 200 + b'"}]}'
ANSWER = b'{"choices": [{"message": {"content": "' + b"word " * 100 + b'"}}]}'
WHOLE = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-llm-tier: hosted\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(ANSWER), ANSWER)
)
QUESTION = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: front\r\nContent-Type: application/json\r\n"
    b"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s" % (ANNA.encode(), len(BODY), BODY)
)


@dataclass(frozen=True)
class Turns:
    """What was found in each round: asked directly, and through the front."""

    direct: tuple[float, ...]
    through: tuple[float, ...]

    @property
    def added(self) -> float:
        """The median difference of a round."""
        pairs = zip(self.direct, self.through, strict=True)
        return statistics.median(through - direct for direct, through in pairs)

    @property
    def share(self) -> float:
        """The median ratio of a round."""
        pairs = zip(self.direct, self.through, strict=True)
        return statistics.median(through / direct for direct, through in pairs)


@dataclass(frozen=True)
class Row:
    """One kind of front: seconds of a client alone, and answers a second of a crowd.

    *most* is what the front carries when the stub answers the crowd at once.
    """

    name: str
    alone: Turns
    crowd: Turns
    most: float

    @property
    def kept(self) -> bool:
        """Both goals."""
        return self.alone.added * 1000 <= MOST_ADDED_MS and self.crowd.share >= LEAST_SHARE


class Answering(asyncio.Protocol):
    """The stub: any request is answered after the same time."""

    def __init__(self, after_s: float) -> None:
        self._after_s = after_s
        self._got = b""
        self._way: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        assert isinstance(transport, asyncio.Transport)
        self._way = transport

    def data_received(self, data: bytes) -> None:
        """Clients do not send a second request before the answer."""
        self._got += data
        if self._got.endswith(BODY):
            self._got = b""
            if self._after_s:
                asyncio.get_running_loop().call_later(self._after_s, self._answer)
            else:
                self._answer()

    def _answer(self) -> None:
        if self._way is not None and not self._way.is_closing():
            self._way.write(WHOLE)


class Asking(asyncio.Protocol):
    """One client: the next question as soon as the answer is whole."""

    def __init__(self, times: list[float]) -> None:
        self._times = times
        self._got = 0
        self._begun = 0.0
        self._way: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        assert isinstance(transport, asyncio.Transport)
        self._way = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        """An answer ends with its body; one that is no answer ends the measurement."""
        if self._got == 0 and not data.startswith(b"HTTP/1.1 200 "):
            sys.exit(f"no answer: {data[:300]!r}")
        self._got += len(data)
        if data.endswith(ANSWER[-20:]) and self._got >= len(ANSWER):
            self._times.append(time.perf_counter() - self._begun)
            self._ask()

    def _ask(self) -> None:
        if self._way is not None and not self._way.is_closing():
            self._got, self._begun = 0, time.perf_counter()
            self._way.write(QUESTION)


def main() -> int:
    """Print the table; 1 when a goal was not kept."""
    rows = [
        measured("a host, 1 engine", 1, spill=None),
        measured("a host, 1 engine, spill", 1, spill=Spill("gateway.invalid:8000", "127.0.0.1:9")),
        measured("a host, 8 engines, spill", 8, spill=Spill("gateway.invalid:8000", "127.0.0.1:9")),
        measured("a gateway's task", 1, task=True),
    ]
    heads = (
        f"median of {ROUNDS} rounds",
        "alone",
        "through",
        "added",
        "64 at once",
        "through",
        "left",
        "most",
    )
    cells = [
        (
            row.name,
            f"{statistics.median(row.alone.direct) * 1000:.2f} ms",
            f"{statistics.median(row.alone.through) * 1000:.2f} ms",
            f"{row.alone.added * 1000:.2f} ms",
            f"{statistics.median(row.crowd.direct):.0f}/s",
            f"{statistics.median(row.crowd.through):.0f}/s",
            f"{row.crowd.share:.1%}",
            f"{row.most:.0f}/s",
            verdict(row.kept),
        )
        for row in rows
    ]
    print(table((*heads, "kept"), cells))
    print(f"goals: at most {MOST_ADDED_MS} ms added, at least {LEAST_SHARE:.0%} left")
    print(
        f"machine: {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; stub and clients on them"
    )
    return 0 if all(row.kept for row in rows) else 1


def measured(name: str, engines: int, *, spill: Spill | None = None, task: bool = False) -> Row:
    """Both ways of asking, in turns."""
    with stubs(engines, 0.0) as quick, stubs(engines, SERVICE_S) as working:
        with front(quick, spill, task=task) as before_quick:
            alone = in_turns((quick[0], before_quick), 1, ALONE_S, statistics.median)
            most = len(asyncio.run(asked(before_quick, CROWD, CROWD_S))) / CROWD_S
        with front(working, spill, task=task) as before_working:
            crowd = in_turns(
                (working[0], before_working), CROWD, CROWD_S, lambda times: len(times) / CROWD_S
            )
    return Row(name, alone, crowd, most)


def in_turns(
    ports: tuple[int, int], clients: int, seconds: float, value: Callable[[list[float]], float]
) -> Turns:
    """Each way in each round, and each begins every second one."""
    found: dict[int, list[float]] = {port: [] for port in ports}
    for number in range(ROUNDS):
        for port in ports if number % 2 else reversed(ports):
            found[port].append(value(asyncio.run(asked(port, clients, seconds))))
    direct, through = (tuple(found[port]) for port in ports)
    return Turns(direct, through)


async def asked(port: int, clients: int, seconds: float) -> list[float]:
    """How long each answer took that came within so many seconds."""
    times: list[float] = []
    loop = asyncio.get_running_loop()
    ways = [
        (await loop.create_connection(lambda: Asking(times), "127.0.0.1", port))[0]
        for _ in range(clients)
    ]
    await asyncio.sleep(min(0.2, seconds / 3))  # connections, the key's check
    times.clear()
    await asyncio.sleep(seconds)
    came = list(times)
    for way in ways:
        way.abort()
    return came


@contextmanager
def stubs(count: int, after_s: float) -> Iterator[list[int]]:
    """So many engines in a process of their own; their ports."""
    listening = [socket.create_server(("127.0.0.1", 0), backlog=256) for _ in range(count)]
    ready = multiprocessing.Event()
    process = multiprocessing.Process(target=serve, args=(listening, after_s, ready), daemon=True)
    process.start()
    ready.wait(10)
    try:
        yield [one.getsockname()[1] for one in listening]
    finally:
        process.terminate()
        process.join()
        for one in listening:
            one.close()


def serve(listening: Sequence[socket.socket], after_s: float, ready: Event) -> None:
    """The process of the stubs."""

    async def forever() -> None:
        loop = asyncio.get_running_loop()
        for one in listening:
            await loop.create_server(lambda: Answering(after_s), sock=one)
        ready.set()
        await asyncio.Event().wait()

    asyncio.run(forever())


@contextmanager
def front(engines: list[int], spill: Spill | None, *, task: bool) -> Iterator[int]:
    """nginx as it is rendered, with an agent that counts its answers; its port."""
    scratch = Path(tempfile.mkdtemp(prefix="llm-fleet-bench-front-"))
    scratch.chmod(0o755)
    agent, port = Agent(scratch / "agent.sock"), free_port()
    counting = multiprocessing.Process(target=count, args=(scratch,), daemon=True)
    counting.start()
    (scratch / "hop.conf").write_text(f'proxy_set_header Authorization "Bearer {HOP}";\n')
    there, links = places(scratch, port), chain(EngineSettings())
    addresses = [f"127.0.0.1:{engine}" for engine in engines]
    if task:
        text = gateway_config(FRONT, chain=links, gateway=addresses[0], places=there)
    else:
        text = nginx_config(FRONT, engines=addresses, chain=links, places=there, spill=spill)
    (scratch / "nginx.conf").write_text(text)
    process = start_nginx(scratch)
    try:
        wait_until(lambda: accepts(port))
        yield port
    finally:
        process.terminate()
        process.wait(10)
        agent.stop()
        counting.terminate()
        counting.join()
        shutil.rmtree(scratch)


def count(scratch: Path) -> None:
    """The agent's end of the answers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(scratch / "answers.sock"))
        (scratch / "answers.sock").chmod(0o666)
        (scratch / "counting").touch()
        while listener.recv(4096):
            continue


if __name__ == "__main__":
    sys.exit(main())
