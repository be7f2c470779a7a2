"""The engine's core: a process of its own, so that it can be frozen or killed as vLLM's.

It reads one JSON document a line: a request to run, or one to forget. At every step it gives one
token to each request that runs, and writes what it did and how full it is. Who sends SIGSTOP to it
gets what vLLM's server shows then: numbers that stand still, and requests that never end.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

CACHE_TOKENS = 524_288
IDLE_S = 3600.0


@dataclass
class Sequence:
    """One request: how many tokens it wants still, and when its first one may come."""

    id: int
    left: int
    held: int
    not_before: float


class Core:
    """Requests that run and those that wait; :meth:`step` is what a GPU would do."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._running: dict[int, Sequence] = {}
        self._waiting: deque[Sequence] = deque()
        self._token_s = 0.005
        self._steps = 0
        self._next = 0.0

    def pause_s(self) -> float:
        """How long there is nothing to do."""
        return max(0.0, self._next - time.monotonic()) if self._running else IDLE_S

    def take(self, order: dict[str, Any]) -> None:
        """Run a request, or forget one whose client left."""
        if "forget" in order:
            self._running.pop(order["forget"], None)
            self._waiting = deque(one for one in self._waiting if one.id != order["forget"])
        else:
            self._token_s = order["token_s"]
            not_before = time.monotonic() + order["first_token_s"]
            self._waiting.append(Sequence(order["run"], order["tokens"], order["held"], not_before))
        if not self._running:
            self._next = time.monotonic() + self._token_s
        self._admit()

    def step(self) -> list[int]:
        """One token for each; the ids that got one."""
        now = time.monotonic()
        self._next = now + self._token_s
        given = [one for one in self._running.values() if now >= one.not_before]
        for one in given:
            one.left -= 1
            one.held += 1
            if one.left <= 0:
                del self._running[one.id]
        self._steps += bool(given)
        self._admit()
        return [one.id for one in given]

    def numbers(self) -> dict[str, Any]:
        """What the server may say of this engine until it hears again."""
        held = sum(one.held for one in self._running.values())
        return {
            "running": len(self._running),
            "waiting": len(self._waiting),
            "steps": self._steps,
            "kv": held / CACHE_TOKENS,
        }

    def _admit(self) -> None:
        while self._waiting and len(self._running) < self._most:
            one = self._waiting.popleft()
            self._running[one.id] = one


def main() -> None:
    """Work until nobody sends orders any more."""
    core, rest = Core(int(sys.argv[1])), b""
    while True:
        given: list[int] = []
        ready, _, _ = select.select([0], [], [], core.pause_s())
        if ready:
            read = os.read(0, 65536)
            if not read:
                return
            *lines, rest = (rest + read).split(b"\n")
            for line in lines:
                core.take(json.loads(line))
        if core.pause_s() <= 0:
            given = core.step()
        os.write(1, json.dumps({"given": given, **core.numbers()}).encode() + b"\n")


if __name__ == "__main__":
    main()
