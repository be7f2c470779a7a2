"""The container's first process: keys for the front, keys of the providers, and the workers.

It stays small and does without LiteLLM, so that a worker may grow, hang or crash and be replaced:
the socket is its own, the successor serves before the old one leaves.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from provision.agent.errors import AgentError
from provision.agent.keys import KeyRing
from provision.agent.server import in_background, key_server
from provision.gateway.crew import Crew, Do
from provision.gateway.errors import GatewayError
from provision.gateway.events import Events
from provision.gateway.provider_keys import ProviderKeys, SecretStore, fetch
from provision.gateway.settings import Settings
from provision.gateway.talk import (
    HOLD_MARGIN_S,
    HOP_FILE,
    KEY_SOCKET,
    KEYS_FILE,
    READY,
    REPLACE,
    Brief,
)
from provision.gateway.waiting import Waiting

TICK_S = 0.2
RING_S = 15.0  # with what the front remembers, a revoked key is refused within a minute
PROVIDER_KEYS_S = 60.0
MISSING_KEYS_S = 5.0
BACKLOG = 512


@dataclass(slots=True)
class _Process:
    """A worker's process, and what it says."""

    popen: subprocess.Popen[bytes]
    said: list[str]


class Supervisor:
    """Runs until SIGTERM, or until workers crash one after the other."""

    def __init__(self, settings: Settings, store: SecretStore, events: Events) -> None:
        self._settings = settings
        self._store = store
        self._events = events
        self._run = Path(settings.run)
        self._crew = Crew()
        self._processes: dict[int, _Process] = {}
        self._keys: ProviderKeys | None = None
        self._problem = "The gateway starts."
        self._hop = ""
        self._next_id = 0
        self._read_keys_at = 0.0

    def run(self) -> int:
        """Serve; the exit code of the container."""
        self._run.mkdir(parents=True, exist_ok=True)
        self._hop = make_hop(self._run / HOP_FILE)
        ring = KeyRing(self._run / KEYS_FILE)
        in_background(key_server(ring, time.time, self._run / KEY_SOCKET))
        threading.Thread(target=self._keep_ring, args=(ring,), daemon=True).start()
        listener = listen(*self._settings.listen)
        waiting = Waiting(listener, lambda: self._problem)
        signal.signal(signal.SIGTERM, lambda *_: self._stop())
        signal.signal(signal.SIGINT, lambda *_: self._stop())
        while not (self._crew.stopping and self._crew.empty):
            self._look()
            for what, id in list(self._crew.next(time.monotonic(), self._leave_s)):
                if what is Do.GIVE_UP:
                    self._events.say("gave-up", reason="workers crash one after the other")
                    return 1
                self._do(what, id, listener)
            if self._crew.serves:
                waiting.stop()
            else:
                waiting.start()
            time.sleep(TICK_S)
        waiting.stop()
        return 0

    @property
    def _leave_s(self) -> float:
        return self._settings.answer_s + HOLD_MARGIN_S

    def _stop(self) -> None:
        self._crew.stopping = True

    def _look(self) -> None:
        """Hear what workers said, who ended, and whether keys have changed."""
        now = time.monotonic()
        for id, process in list(self._processes.items()):
            while process.said:
                self._hear(id, process.said.pop(0), now)
            if process.popen.poll() is not None:
                del self._processes[id]
                self._crew.gone(id, now)
                self._events.say("worker-gone", worker=id, code=process.popen.returncode)
        if now >= self._read_keys_at and not self._crew.stopping:
            self._read_keys(now)
            well = self._keys is not None and not self._keys.missing
            self._read_keys_at = now + (PROVIDER_KEYS_S if well else MISSING_KEYS_S)

    def _hear(self, id: int, line: str, now: float) -> None:
        word, _, reason = line.partition(" ")
        if word == READY:
            self._crew.ready(id, now)
            self._events.say("worker-serves", worker=id)
        elif word == REPLACE:
            self._crew.replace(now)
            self._events.say("worker-worn-out", worker=id, reason=reason)

    def _read_keys(self, now: float) -> None:
        """LiteLLM knows the keys that it was started with: other ones need another worker."""
        try:
            keys = fetch(self._store, self._settings.providers)
        except AgentError as error:
            self._problem = f"The providers' keys can't be read: {error.reason}"
            self._events.say("provider-keys", problem=error.reason)
            return
        if keys == self._keys:
            return
        if self._keys is not None:
            self._crew.replace(now)
        self._keys = keys
        if keys.missing:
            self._problem = f"No key in the secret {', '.join(keys.missing)}."
        self._events.say("provider-keys", missing=keys.missing)

    def _do(self, what: Do, id: int | None, listener: socket.socket) -> None:
        if what is Do.START:
            if self._keys is not None and self._keys.some(self._settings.providers):
                self._start(self._keys, listener)
        elif id in self._processes:
            kill = what is Do.KILL
            self._processes[id].popen.send_signal(signal.SIGKILL if kill else signal.SIGTERM)

    def _start(self, keys: ProviderKeys, listener: socket.socket) -> None:
        self._next_id += 1
        reading, writing = os.pipe()
        words = [sys.executable, "-m", "provision.gateway", "worker"]
        with os.fdopen(writing, "wb"):
            popen = subprocess.Popen(
                [*words, str(listener.fileno()), str(writing)],
                stdin=subprocess.PIPE,
                pass_fds=(listener.fileno(), writing),
            )
        process = _Process(popen, [])
        threading.Thread(target=_read_lines, args=(reading, process.said), daemon=True).start()
        brief = Brief(self._hop, keys.by_variable, keys.without_key)
        assert popen.stdin is not None  # noqa: S101  # it was asked for
        with suppress(BrokenPipeError), popen.stdin:
            popen.stdin.write(brief.text().encode())
        self._processes[self._next_id] = process
        self._crew.hired(self._next_id, time.monotonic())
        self._events.say("worker-comes", worker=self._next_id)

    def _keep_ring(self, ring: KeyRing) -> None:
        while True:
            ring.sync(self._store, self._settings.keys_secret, time.time())
            if ring.problem:
                self._events.say("client-keys", problem=ring.problem)
            time.sleep(RING_S)


def make_hop(file: Path) -> str:
    """A new hop secret, where the front reads it as a header line."""
    value = f"sk-hop-{secrets.token_urlsafe(32)}"
    line = f'proxy_set_header Authorization "Bearer {value}";\n'
    file.touch(mode=0o644)  # the front's container has another user; the folder is the task's own
    file.write_text(line, encoding="utf-8")
    return value


def listen(host: str, port: int) -> socket.socket:
    """The socket that all workers share. Raises GatewayError."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        raise GatewayError(f"can't listen on {host}:{port}: {error}") from None
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


def _read_lines(reading: int, said: list[str]) -> None:
    with os.fdopen(reading, encoding="utf-8") as lines:
        for line in lines:
            said.append(line.strip())
