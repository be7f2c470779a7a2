"""The server's side of the core: requests go in, tokens come out."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vllm.settings import Behaviour

TITLE = "VLLM::EngineCore"  # as vLLM's process is called, for whoever looks for it with pgrep -f
_CORE = Path(__file__).with_name("core.py")


class EngineDead(Exception):
    """The core ended by itself."""


@dataclass(eq=False)
class Running:
    """One request in the core; ``tokens`` gets None when the core died."""

    id: int
    tokens: asyncio.Queue[int | None] = field(default_factory=asyncio.Queue)

    async def token(self) -> None:
        """Wait for the next one. Raises EngineDead."""
        if await self.tokens.get() is None:
            raise EngineDead


class Link:
    """The core, and what it said last of itself."""

    def __init__(self) -> None:
        self.numbers: dict[str, Any] = {"running": 0, "waiting": 0, "steps": 0, "kv": 0.0}
        self.died = asyncio.Event()
        self._running: dict[int, Running] = {}
        self._ids = itertools.count(1)
        self._ended_on_purpose = False

    async def start(self, most: int) -> None:
        """Start the core, which runs *most* requests at once."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(_CORE),
            str(most),
            TITLE,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self._listening = asyncio.create_task(self._listen())

    @property
    def busy(self) -> int:
        """Requests that were given to the core and have not ended."""
        return len(self._running)

    def run(self, tokens: int, prompt_tokens: int, how: Behaviour) -> Running:
        """Give a request to the core."""
        running = Running(next(self._ids))
        self._running[running.id] = running
        self._send(
            {
                "run": running.id,
                "tokens": tokens,
                "held": prompt_tokens,
                "token_s": how.token_s,
                "first_token_s": how.first_token_s,
            }
        )
        return running

    def forget(self, running: Running) -> None:
        """The client left, or has all it wanted."""
        if self._running.pop(running.id, None):
            self._send({"forget": running.id})

    def kill(self) -> None:
        """End the core at once. Its requests are not told: they wait for tokens that never come."""
        self._ended_on_purpose = True
        if self._process.returncode is None:
            self._process.kill()

    def _send(self, order: dict[str, Any]) -> None:
        if self._process.stdin is not None and self._process.returncode is None:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            said = json.loads(line)
            for number in said.pop("given"):
                if number in self._running:
                    self._running[number].tokens.put_nowait(number)
            self.numbers = said
        if not self._ended_on_purpose:
            self.died.set()
            for running in self._running.values():
                running.tokens.put_nowait(None)
