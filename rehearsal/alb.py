"""A load balancer that behaves as an ALB is documented to: see tests/rehearsal/test_alb.py.

It does what the current :class:`Picture` says: rules by priority, weights, health checks, draining.
It never fails over from one target group to another, and a group without a healthy target is tried
as a whole. TLS, HTTP/2, WebSockets, stickiness and redirects are not there.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from dataclasses import dataclass
from typing import Any

from rehearsal.alb_health import HEALTHY, Board, Key, watch
from rehearsal.alb_messages import Refusal, discard, onward, write_fixed
from rehearsal.alb_rules import Fixed, Group, Picture, Target
from rehearsal.http1 import (
    HOP_BY_HOP,
    MAX_HEAD,
    BadMessage,
    Head,
    answer_body,
    read_head,
    request_body,
)

CONNECT_TIMEOUT_S = 10.0
LINGER_S = 5.0  # for a request that goes on after its answer
Link = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(eq=False, slots=True)
class Carried:
    """One request on its way to a target."""

    key: Key
    task: asyncio.Task[None]


class LoadBalancer:
    """Listens on *address*; :meth:`show` gives it a new picture at any time."""

    def __init__(self, address: str, board: Board) -> None:
        self._address = address
        self._board = board
        self._picture = Picture({}, {})
        self._servers: dict[int, asyncio.Server] = {}
        self._watchers: dict[tuple[Key, Group], asyncio.Task[None]] = {}
        self._idle: dict[tuple[str, int], list[tuple[float, Link]]] = {}
        self._turns: dict[str, itertools.count[int]] = {}
        self._carried: set[Carried] = set()
        self._clients: set[asyncio.Task[None]] = set()
        self._background: set[asyncio.Task[None]] = set()

    async def show(self, picture: Picture) -> None:
        """Behave as *picture* says from now on; open requests go on as they were."""
        old, self._picture = self._picture, picture
        for port in set(picture.rules) - set(self._servers):
            self._servers[port] = await asyncio.start_server(
                lambda r, w, port=port: self._client(port, r, w),  # type: ignore[misc]
                self._address,
                port,
                limit=MAX_HEAD,
            )
        for port in set(self._servers) - set(picture.rules):
            self._servers.pop(port).close()
        self._rearrange(old, picture)

    async def close(self) -> None:
        """Stop listening, checking and carrying."""
        for server in self._servers.values():
            server.close()
        tasks = [*self._watchers.values(), *self._clients, *self._background]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for links in self._idle.values():
            for _, (_, writer) in links:
                writer.close()

    def _rearrange(self, old: Picture, new: Picture) -> None:
        wanted = {
            ((group.arn, target.id, target.port), _bare(group)): (group, target)
            for group in new.groups.values()
            for target in group.targets
        }
        registered = {key for key, _ in wanted}
        for known in set(self._watchers) - set(wanted):
            self._watchers.pop(known).cancel()
            key, group = known
            if key not in registered and key[0] in old.groups:
                self._drain(key, group.deregistration_delay_s)
        for known in set(wanted) - set(self._watchers):
            group, target = wanted[known]
            self._watchers[known] = asyncio.create_task(
                watch(group, target, self._board, lambda: None)
            )

    def _drain(self, key: Key, delay_s: float) -> None:
        self._board.drain(key, time.monotonic() + delay_s)
        task = asyncio.create_task(self._cut_after(key, delay_s))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _cut_after(self, key: Key, delay_s: float) -> None:
        before = {carried for carried in self._carried if carried.key == key}
        await asyncio.sleep(delay_s)
        for carried in before & self._carried:
            carried.task.cancel()

    async def _client(
        self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        try:
            while await self._one_request(port, reader, writer):
                pass
        except (OSError, BadMessage, TimeoutError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            self._clients.discard(task)
            writer.close()

    async def _one_request(
        self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Serve one request; whether the client's connection may carry another."""
        async with asyncio.timeout(self._picture.idle_timeout_s):
            head = await read_head(reader)
        if head is None:
            return False
        client = writer.get_extra_info("peername")[0]
        try:
            action = self._picture.action(port, head, client)
            if isinstance(action, Fixed):
                await discard(head, reader)
                write_fixed(writer, head, action)
                await writer.drain()
                return not head.wants_close()
            arn = action.choose()
            group = self._picture.groups.get(arn or "")
            target = self._pick(group) if group else None
            if group is None or target is None:
                await self._let_finish(asyncio.create_task(discard(head, reader)))
                raise Refusal(503)
            passed = onward(head, client, port)
            return await self._carry(group, target, passed, reader, writer)
        except Refusal as refusal:
            write_fixed(writer, head, refusal.page(), close=True)
            await writer.drain()
            return False

    def _pick(self, group: Group) -> Target | None:
        healthy = [t for t in group.targets if self._is_healthy(group, t)]
        # Fail open: with no healthy target every registered one is tried.
        candidates = healthy or group.targets
        if not candidates:
            return None
        turn = next(self._turns.setdefault(group.arn, itertools.count()))
        return candidates[turn % len(candidates)]

    def _is_healthy(self, group: Group, target: Target) -> bool:
        return self._board.get(group.arn, target.id, target.port) == HEALTHY

    async def _carry(
        self,
        group: Group,
        target: Target,
        head: Head,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        task = asyncio.current_task()
        assert task is not None
        carried = Carried((group.arn, target.id, target.port), task)
        try:
            link = await self._connect(target)
        except Refusal:
            await self._let_finish(asyncio.create_task(discard(head, reader)))
            raise
        self._carried.add(carried)
        sending = asyncio.create_task(self._send(head, reader, link[1]))
        keep = False
        try:
            keep, again = await self._answer(head, link[0], writer)
            sent = await self._let_finish(sending)
            keep = keep and sent and sending.result()
            return again and sent
        except Refusal:
            await self._let_finish(sending)
            raise
        finally:
            self._carried.discard(carried)
            sending.cancel()
            with contextlib.suppress(Exception, asyncio.CancelledError):
                await sending
            if keep:
                idle = self._idle.setdefault((target.address, target.port), [])
                idle.append((time.monotonic(), link))
            else:
                link[1].close()

    async def _connect(self, target: Target) -> Link:
        waiting = self._idle.get((target.address, target.port), [])
        while waiting:
            since, link = waiting.pop()
            fresh = time.monotonic() - since < self._picture.idle_timeout_s
            if fresh and not link[0].at_eof() and not link[1].is_closing():
                return link
            link[1].close()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                return await asyncio.open_connection(target.address, target.port, limit=MAX_HEAD)
        except TimeoutError as error:
            raise Refusal(504) from error
        except OSError as error:
            raise Refusal(502) from error

    async def _send(
        self, head: Head, reader: asyncio.StreamReader, upstream: asyncio.StreamWriter
    ) -> bool:
        """Read the request to its end; whether the target took all of it."""
        taken = await _try_write(upstream, head.encode())
        async for piece in request_body(head, reader):
            taken = taken and await _try_write(upstream, piece)
        return taken

    async def _let_finish(self, reading: asyncio.Task[Any]) -> bool:
        """Whether the client's request came to its end, within a time.

        A connection that is closed while its client still sends is reset, and the client may
        never see the answer that was written before.
        """
        done, _ = await asyncio.wait({reading}, timeout=LINGER_S)
        reading.cancel()
        return bool(done) and not reading.cancelled() and reading.exception() is None

    async def _answer(
        self, request: Head, upstream: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[bool, bool]:
        """Pass the answer on; whether the target's and the client's connections live on."""
        idle_s = self._picture.idle_timeout_s
        head = await self._answer_head(upstream, idle_s)
        pieces, until_end = answer_body(request.first[0], head, upstream)
        close_client = request.wants_close() or until_end
        passed = head.without(*HOP_BY_HOP).adding(
            ("Connection", "close" if close_client else "keep-alive")
        )
        writer.write(passed.encode())
        iterator = aiter(pieces)
        while True:
            async with asyncio.timeout(idle_s):
                piece = await anext(iterator, None)
                if piece is None:
                    break
                writer.write(piece)
                await writer.drain()
        await writer.drain()
        return not until_end and not head.wants_close(), not close_client

    async def _answer_head(self, upstream: asyncio.StreamReader, idle_s: float) -> Head:
        try:
            while True:
                async with asyncio.timeout(idle_s):
                    head = await read_head(upstream)
                if head is None:
                    # Also when a kept connection was closed just then: an ALB does not try again.
                    raise Refusal(502)
                if head.status >= 200:
                    return head
        except TimeoutError as error:
            raise Refusal(504) from error
        except (OSError, BadMessage, ValueError) as error:
            raise Refusal(502) from error


async def _try_write(writer: asyncio.StreamWriter, piece: bytes) -> bool:
    try:
        writer.write(piece)
        await writer.drain()
    except OSError:
        return False
    return True


def _bare(group: Group) -> Group:
    """What a watcher depends on: everything of a group but who is in it."""
    return Group(group.arn, group.check, (), group.deregistration_delay_s)
