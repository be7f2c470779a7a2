"""A client beside a drill: one short question after the other, and who answered."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from provision.connectors.protocols import Clock, Cloud, Http
from provision.errors import FleetError
from provision.executor.service import TIER, key_to_ask_with
from provision.planning.drill import Sample

_PAUSE_S = 0.5
_ANSWER_S = 30.0
_MOST = 20_000


class Sampler:
    """Asks as any client does: at whatever weights there are. ``samples`` grows meanwhile."""

    def __init__(self, *, cloud: Cloud, http: Http, clock: Clock, model: str) -> None:
        self._http, self._clock = http, clock
        self._url = f"{cloud.outputs().endpoint}/v1/completions"
        self._headers = {"Authorization": f"Bearer {key_to_ask_with(cloud).reveal()}"}
        self._body = {"model": model, "prompt": "ping", "max_tokens": 1, "temperature": 0}
        self._begun = clock.monotonic()
        self._ended = threading.Event()
        self.samples: list[Sample] = []

    @property
    def elapsed_s(self) -> float:
        """Seconds since it was made."""
        return self._clock.monotonic() - self._begun

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Ask while the block runs."""
        thread = threading.Thread(target=self._go_on, name="sampler", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def ask(self) -> Sample:
        """One question."""
        at = self.elapsed_s
        try:
            answer = self._http.post(
                self._url, self._body, headers=self._headers, timeout_s=_ANSWER_S
            )
        except FleetError:
            return Sample(at, self.elapsed_s - at, 0)
        tier = answer.headers.get(TIER, "")
        return Sample(at, self.elapsed_s - at, answer.status, tier)

    def _go_on(self) -> None:
        while not self._ended.wait(_PAUSE_S) and len(self.samples) < _MOST:
            self.samples.append(self.ask())
