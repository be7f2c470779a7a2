"""Where kept answers are put and looked for, without anybody waiting for the putting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from provision.gateway import stale
from provision.gateway.answers import Answer
from provision.gateway.errors import StoreUnreachable
from provision.gateway.request import Asked
from provision.gateway.stale import Store


class Cupboard:
    """Kept answers. Without a *store* nothing is kept and nothing found."""

    def __init__(self, store: Store | None, max_age_s: int, now: Callable[[], float]) -> None:
        self._store = store
        self._max_age_s = max_age_s
        self._now = now
        self._putting: set[asyncio.Task[None]] = set()

    def place(self, asked: Asked, wish: str, key_name: str) -> str | None:
        """Under what an answer to this is kept; None when its client does not want an old one."""
        if self._store is None or not stale.wanted(asked, wish, key_name):
            return None
        return stale.key(asked, key_name)

    async def find(self, place: str | None, asked: Asked) -> Answer | None:
        """An old answer that is not too old."""
        if self._store is None or place is None:
            return None
        with suppress(StoreUnreachable):
            kept = await asyncio.to_thread(self._store.get, place)
            if kept is not None and self._now() - kept.at <= self._max_age_s:
                return stale.answer(kept, asked, self._now())
        return None

    def keep(self, place: str | None, said: dict[str, Any] | None) -> None:
        """Keep an answer, if it is one that may be given again."""
        if self._store is None or place is None or said is None or not stale.may_be_kept(said):
            return
        task = asyncio.create_task(self._put(self._store, place, stale.Kept(self._now(), said)))
        self._putting.add(task)
        task.add_done_callback(self._putting.discard)

    async def _put(self, store: Store, place: str, kept: stale.Kept) -> None:
        with suppress(StoreUnreachable):
            await asyncio.to_thread(store.put, place, kept)
