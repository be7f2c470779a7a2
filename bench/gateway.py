"""The gateway by itself: what becomes of requests when hosted APIs fail, and what it adds to them.

Real LiteLLM, moto for AWS, hosted APIs of the tests; everything on this machine's loopback.
"""

from __future__ import annotations

import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from provision.catalog.models import model
from provision.catalog.prices.load import load
from provision.config.fallback import WhenSpendUnknown
from provision.render.gateway import gateway_document
from rehearsal import gateway as litellm
from rehearsal.hosted_api import HostedApi, Manner, hosted_api
from tests.hosted.conftest import B_WORDS
from tests.hosted.matrix import HEAD, Cell, cells, line, run, without_counter
from tests.hosted.standing import CREDENTIALS, A, Standing, chat, free_port, standing

REQUESTS = 8
TURNS, SEQUENTIAL, PARALLEL, AT_ONCE = 6, 25, 64, 8
COOLDOWN_S = 4  # longer than what a silent provider takes, or it would be asked every time
MASTER = "sk-hop-of-the-measurement"


def main() -> int:
    """Print both tables."""
    os.environ.update({name.upper(): value for name, value in CREDENTIALS.items()})
    litellm.ensure(lambda said: print(said, file=sys.stderr))
    with tempfile.TemporaryDirectory() as name, hosted_api("A") as a:
        folder = Path(name)
        with hosted_api("B", words=B_WORDS) as b:
            with standing(folder / "closed", a, b, cooldown_s=COOLDOWN_S) as gateway:
                gateway.wait_ready()
                matrix(gateway, cells())
                latency(gateway, a, folder)
            opened = {"when_spend_unknown": WhenSpendUnknown.OPEN, "unknown_allowance_usd": 0.01}
            with standing(folder / "open", a, b, **opened) as gateway:
                gateway.wait_ready()
                well = Manner()
                away = Cell("DynamoDB away, open", well, well, inside=without_counter)
                matrix(gateway, [away])
    return 0


def matrix(gateway: Standing, wanted: list[Cell]) -> None:
    """Every cell, asked often."""
    print(HEAD)
    for cell in wanted:
        print(line(run(cell, gateway, REQUESTS)), flush=True)
    print("seconds of one client; money in micro-dollars: what the servers bill, what was settled,")
    print("and what of it was guessed because nobody can know whether it is billed\n")


def latency(gateway: Standing, api: HostedApi, folder: Path) -> None:
    """The same request straight to the API, through LiteLLM alone, and through the gateway.

    In turns, so that whatever else the machine does slows all of them.
    """
    api.behave(Manner())
    body = chat(max_tokens=8)
    path = "/v1/chat/completions"
    own = {"Authorization": f"Bearer {gateway.hop}", "X-Key-Name": "team-a"}
    assert gateway.process is not None
    with litellm_alone(gateway, folder) as (port, pid):
        served_by = {"LiteLLM alone": pid, "the gateway": _worker(gateway.process.pid)}
        ways = {
            "straight to the API": _asker(
                api.port, path, {"Authorization": f"Bearer {api.key}"}, body
            ),
            "LiteLLM alone": _asker(port, path, {"Authorization": f"Bearer {MASTER}"}, body),
            "the gateway": _asker(gateway.port, path, own, body),
        }
        took: dict[str, list[float]] = {name: [] for name in ways}
        rates: dict[str, list[float]] = {name: [] for name in ways}
        used: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(TURNS + 1):
            for name, ask in ways.items():
                before = _processor_s(served_by.get(name))
                alone, rate = [ask() for _ in range(SEQUENTIAL)], _at_once(ask)
                if turn:  # the first is for warming up
                    took[name] += alone
                    rates[name].append(rate)
                    each = (_processor_s(served_by.get(name)) - before) / (SEQUENTIAL + PARALLEL)
                    used[name].append(each)
    print(f"{'way':<24} {'median':>8} {'95 %':>8} {f'{AT_ONCE} at once':>12} {'processor':>10}")
    for name, seconds in took.items():
        late = sorted(seconds)[int(len(seconds) * 0.95)]
        median, rate = statistics.median(seconds), statistics.median(rates[name])
        each = f"{statistics.median(used[name]) * 1000:.1f}ms" if name in served_by else ""
        print(
            f"{name:<24} {median * 1000:>6.1f}ms {late * 1000:>6.1f}ms {rate:>10.0f}/s {each:>10}"
        )
    print(f"memory: {_memory(gateway.process.pid)}")
    print(f"{TURNS} turns of {SEQUENTIAL} requests one after the other, then {PARALLEL} at once;")
    print("processor: what a request costs the serving process. moto is not in it, but on the same")
    print("cores, and answers two calls for each of the gateway's requests\n")


def _at_once(ask: Callable[[], float]) -> float:
    """Requests a second."""
    begun = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda _: ask(), range(PARALLEL)))
    return PARALLEL / (time.monotonic() - begun)


@contextmanager
def litellm_alone(gateway: Standing, folder: Path) -> Iterator[tuple[int, int]]:
    """LiteLLM's own server with the gateway's configuration, and nothing of ours: port, process."""
    told = gateway_document(
        gateway.environment,
        model=model(gateway.environment.model.name),
        book=load(),
        api_bases={A: f"{gateway.api_a.url}/v1"},
    )
    (folder / "litellm.yaml").write_text(json.loads(told)["litellm"])
    port = free_port()
    process = subprocess.Popen(
        [
            *(str(litellm.python()), "-m", "uvicorn", "litellm.proxy.proxy_server:app"),
            *("--port", str(port), "--log-level", "error"),
        ],
        env={
            **os.environ,
            "CONFIG_FILE_PATH": str(folder / "litellm.yaml"),
            "LITELLM_MASTER_KEY": MASTER,
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_LOG": "ERROR",
            "OPENAI_API_KEY": gateway.api_a.key,
            "ANTHROPIC_API_KEY": gateway.api_b.key,
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(port)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()


def _wait(port: int) -> None:
    for _ in range(900):
        with suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/health/liveliness")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.2)
    raise SystemExit("LiteLLM does not start")


def _asker(
    port: int, path: str, headers: dict[str, str], body: dict[str, Any]
) -> Callable[[], float]:
    """Asks once, on a connection of its own, and says how long it took."""

    def ask() -> float:
        begun = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        told = {**headers, "Content-Type": "application/json"}
        connection.request("POST", path, json.dumps(body), told)
        answer = connection.getresponse()
        said = answer.read()
        connection.close()
        if answer.status != 200:
            raise SystemExit(f"status {answer.status}: {said[:300]!r}")
        return time.monotonic() - begun

    return ask


def _worker(supervisor: int) -> int:
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    return int(children[-1])


def _processor_s(pid: int | None) -> float:
    if pid is None:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(supervisor: int) -> str:
    named = [("supervisor", supervisor), ("worker", _worker(supervisor))]
    return ", ".join(f"{name} {_rss_mib(pid)} MiB" for name, pid in named)


def _rss_mib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    kib = next(row.split()[1] for row in status.splitlines() if row.startswith("VmRSS"))
    return int(kib) // 1024


if __name__ == "__main__":
    sys.exit(main())
