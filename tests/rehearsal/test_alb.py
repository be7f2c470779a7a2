"""The rehearsal's load balancer does what AWS documents of an ALB."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from rehearsal.alb import LoadBalancer
from rehearsal.alb_health import Board
from rehearsal.alb_rules import Check, Fixed, Forward, Group, Picture, Rule, Target
from rehearsal.http1 import BadMessage, Head, read_head
from tests.rehearsal.backend import HOST, Backend, Client, ask, free_port, running, whole

pytestmark = pytest.mark.enable_socket
CHECK = Check(path="/health", interval_s=0.05, timeout_s=1, healthy=2, unhealthy=2)
V1 = (("path-pattern", "", ("/v1/*",)),)


def group(name: str, *backends: Backend, delay_s: float = 300, check: Check = CHECK) -> Group:
    targets = tuple(Target(b.name, b.port, HOST) for b in backends)
    return Group(name, check, targets, delay_s)


def picture(port: int, *groups: tuple[Group, int], idle_s: float = 60) -> Picture:
    forward = Forward(tuple((g.arn, weight) for g, weight in groups))
    rules = (Rule(10, V1, forward), Rule(1_000_000, (), Fixed(404, "no such path")))
    return Picture({port: rules}, {g.arn: g for g, _ in groups}, idle_s)


@dataclass
class Bench:
    """A load balancer that listens on *port*."""

    balancer: LoadBalancer
    board: Board
    port: int

    async def show(self, *groups: tuple[Group, int], idle_s: float = 60) -> None:
        await self.balancer.show(picture(self.port, *groups, idle_s=idle_s))

    async def until(self, shown: Group, **states: str) -> None:
        """Wait until the targets of a group have these states."""
        await eventually(lambda: all(self.state(shown, n) == s for n, s in states.items()))

    def state(self, shown: Group, name: str) -> str:
        port = next(t.port for t in shown.targets if t.id == name)
        health = self.board.get(shown.arn, name, port)
        return health.state if health else ""


@asynccontextmanager
async def balancing() -> AsyncIterator[Bench]:
    board = Board()
    balancer = LoadBalancer(HOST, board)
    try:
        yield Bench(balancer, board, free_port())
    finally:
        await balancer.close()


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.01)


async def names(port: int, count: int) -> list[str]:
    return [(await ask(port))[1].decode() for _ in range(count)]


class TestTargets:
    def test_healthy_targets_take_turns(self) -> None:
        """Round robin over the healthy targets of a group."""

        async def story() -> None:
            a, b = Backend("a"), Backend("b")
            async with running(a, b), balancing() as bench:
                g = group("g", a, b)
                await bench.show((g, 100))
                await bench.until(g, a="healthy", b="healthy")
                assert sorted(await names(bench.port, 4)) == ["a", "a", "b", "b"]

        asyncio.run(story())

    def test_an_unhealthy_target_gets_nothing_until_it_passes_again(self) -> None:
        """Health checks take a target out, and bring it back after the threshold."""

        async def story() -> None:
            a, b = Backend("a"), Backend("b", status=503)
            async with running(a, b), balancing() as bench:
                g = group("g", a, b)
                await bench.show((g, 100))
                await bench.until(g, a="healthy", b="unhealthy")
                assert await names(bench.port, 4) == ["a"] * 4
                b.status = 200
                await bench.until(g, b="healthy")
                assert set(await names(bench.port, 4)) == {"a", "b"}

        asyncio.run(story())

    def test_fails_open_when_all_are_unhealthy(self) -> None:
        """A group without a healthy target is tried as a whole."""

        async def story() -> None:
            a, b = Backend("a", status=500), Backend("b", status=500)
            async with running(a, b), balancing() as bench:
                g = group("g", a, b)
                await bench.show((g, 100))
                await bench.until(g, a="unhealthy", b="unhealthy")
                assert set(await names(bench.port, 4)) == {"a", "b"}

        asyncio.run(story())

    def test_an_empty_group_is_503(self) -> None:
        """With no registered target there is nothing to try."""

        async def story() -> None:
            async with balancing() as bench:
                await bench.show((group("g"), 100))
                assert (await ask(bench.port))[0] == 503

        asyncio.run(story())

    def test_health_is_asked_on_a_port_of_its_own(self) -> None:
        """The health check's port overrides the traffic port."""

        async def story() -> None:
            a, agent = Backend("a", status=500), Backend("agent")
            async with running(a, agent), balancing() as bench:
                g = group("g", a, check=replace(CHECK, port=agent.port))
                await bench.show((g, 100))
                await bench.until(g, a="healthy")
                agent.status = 503
                await bench.until(g, a="unhealthy")

        asyncio.run(story())


class TestWeights:
    def test_never_fails_over_to_another_group(self) -> None:
        """A weighted forward sends its share to a dead group, though another one is healthy."""

        async def story() -> None:
            dead, fallback = Backend("dead"), Backend("fallback")
            async with running(fallback), balancing() as bench:
                dead.port = free_port()
                primary, other = group("primary", dead), group("fallback", fallback)
                await bench.show((primary, 100), (other, 0))
                await bench.until(primary, dead="unhealthy")
                await bench.until(other, fallback="healthy")
                assert [(await ask(bench.port))[0] for _ in range(3)] == [502] * 3

        asyncio.run(story())

    def test_a_changed_weight_moves_new_requests_only(self) -> None:
        """A stream that is open when the weights change goes on to its end."""
        moved = asyncio.Event()

        async def stream(
            backend: Backend, head: Head, body: bytes, writer: asyncio.StreamWriter
        ) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
            await moved.wait()
            writer.write(b"1\r\nb\r\n0\r\n\r\n")

        async def story() -> None:
            a, b = Backend("a", answer=stream), Backend("b")
            async with running(a, b), balancing() as bench:
                primary, fallback = group("primary", a), group("fallback", b)
                await bench.show((primary, 100), (fallback, 0))
                await bench.until(primary, a="healthy")
                client = await Client.connect(bench.port)
                await client.send()
                head = await client.head()
                await bench.show((primary, 0), (fallback, 100))
                assert await ask(bench.port) == (200, b"b")
                moved.set()
                assert head.status == 200
                assert await client.reader.readuntil(b"0\r\n\r\n") == (
                    b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n"
                )
                client.close()

        asyncio.run(story())


class TestRules:
    def test_the_first_matching_rule_wins(self) -> None:
        """Priority order: a header rule before the path rule, a fixed answer at the end."""

        async def story() -> None:
            a, b = Backend("a"), Backend("b")
            async with running(a, b), balancing() as bench:
                main, probe = group("main", a), group("probe", b)
                shown = picture(bench.port, (main, 100))
                header = (("http-header", "X-LLM-Probe", ("yes*",)),)
                rules = (Rule(5, header, Forward((("probe", 1),))), *shown.rules[bench.port])
                await bench.balancer.show(
                    Picture({bench.port: rules}, {"main": main, "probe": probe})
                )
                assert await ask(bench.port) == (200, b"a")
                assert await ask(bench.port, x_llm_probe="Yes-1") == (200, b"b")
                assert await ask(bench.port, "/metrics") == (404, b"no such path")

        asyncio.run(story())


class TestMessages:
    def test_says_who_asked(self) -> None:
        """X-Forwarded-For grows, and the other headers of an ALB are there."""

        async def story() -> Head:
            a = Backend("a")
            async with running(a), balancing() as bench:
                await bench.show((group("g", a), 100))
                await ask(bench.port, x_forwarded_for="203.0.113.9")
                return a.seen[0][0]

        head = asyncio.run(story())
        assert head.get("x-forwarded-for") == f"203.0.113.9, {HOST}"
        assert head.get("x-forwarded-proto") == "http"
        assert (head.get("x-amzn-trace-id") or "").startswith("Root=1-")

    def test_a_stream_is_passed_on_piece_by_piece(self) -> None:
        """The first piece reaches the client while the target has not written the second."""
        read = asyncio.Event()

        async def stream(
            backend: Backend, head: Head, body: bytes, writer: asyncio.StreamWriter
        ) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
            await read.wait()
            writer.write(b"6\r\nsecond\r\n0\r\n\r\n")

        async def story() -> None:
            a = Backend("a", answer=stream)
            async with running(a), balancing() as bench:
                await bench.show((group("g", a), 100))
                client = await Client.connect(bench.port)
                await client.send()
                await client.head()
                assert await client.reader.readuntil(b"first\r\n") == b"5\r\nfirst\r\n"
                read.set()
                assert await client.reader.readuntil(b"0\r\n\r\n") == b"6\r\nsecond\r\n0\r\n\r\n"
                client.close()

        asyncio.run(story())

    def test_a_body_arrives_whole(self) -> None:
        """A request body larger than any buffer reaches the target unchanged."""
        sent = bytes(range(256)) * 4096

        async def story() -> bytes:
            a = Backend("a")
            async with running(a), balancing() as bench:
                await bench.show((group("g", a), 100))
                client = await Client.connect(bench.port)
                await client.send(method="POST", body=sent)
                assert await client.answer() == (200, b"a")
                client.close()
                return a.seen[0][1]

        assert asyncio.run(story()) == sent

    @pytest.mark.parametrize("status", [401, 502], ids=["target-answers", "target-hangs-up"])
    def test_an_answer_before_the_request_ended_reaches_the_client(self, status: int) -> None:
        """The rest of the request is read: a close in the middle of it would reset the client."""

        async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while status != 502 and (head := await read_head(reader)):
                    writer.write(whole(status, b"no"))
                    await reader.readexactly(int(head.get("content-length") or 0))
            finally:
                writer.close()

        async def story() -> None:
            server = await asyncio.start_server(early, HOST, 0)
            a = Backend("a", port=server.sockets[0].getsockname()[1])
            async with server, balancing() as bench:
                await bench.show((group("g", a, check=replace(CHECK, interval_s=60)), 100))
                client = await Client.connect(bench.port)
                for _ in range(2 if status == 401 else 1):
                    client.writer.write(
                        b"POST /v1/x HTTP/1.1\r\nHost: lb\r\nContent-Length: 4\r\n\r\n"
                    )
                    await asyncio.sleep(0.05)  # the target answers meanwhile
                    client.writer.write(b"body")
                    assert (await client.answer())[0] == status
                client.close()
                await client.writer.wait_closed()

        asyncio.run(story())

    def test_connections_are_kept_on_both_sides(self) -> None:
        """Two requests of one client use one connection to the target."""

        async def story() -> int:
            a = Backend("a")
            async with running(a), balancing() as bench:
                await bench.show((group("g", a), 100))
                client = await Client.connect(bench.port)
                for _ in range(2):
                    await client.send()
                    assert await client.answer() == (200, b"a")
                client.close()
                return a.connections

        assert asyncio.run(story()) == 1

    def test_a_kept_connection_that_the_target_closes_is_502(self) -> None:
        """A target whose keep-alive is shorter than the load balancer's costs a request."""

        async def once(
            backend: Backend, head: Head, body: bytes, writer: asyncio.StreamWriter
        ) -> None:
            if len(backend.seen) == 1:
                writer.write(whole(200, b"a"))
            else:
                writer.close()

        async def story() -> None:
            a = Backend("a", answer=once)
            async with running(a), balancing() as bench:
                await bench.show((group("g", a), 100))
                assert await ask(bench.port) == (200, b"a")
                assert (await ask(bench.port))[0] == 502
                assert len(a.seen) == 2

        asyncio.run(story())


class TestIdleTimeout:
    def test_a_connection_that_nobody_used_for_so_long_is_not_used_again(self) -> None:
        """A target whose keep-alive is longer never sees a request on one that it may close."""

        async def story() -> None:
            a = Backend("a")
            async with running(a), balancing() as bench:
                await bench.show((group("g", a), 100), idle_s=0.2)
                await ask(bench.port)
                await ask(bench.port)
                assert a.connections == 1
                await asyncio.sleep(0.3)
                await ask(bench.port)
                assert a.connections == 2

        asyncio.run(story())

    def test_a_silent_target_is_504(self) -> None:
        """No first byte within the idle timeout."""

        async def silent(
            backend: Backend, head: Head, body: bytes, writer: asyncio.StreamWriter
        ) -> None:
            await asyncio.sleep(5)

        async def story() -> int:
            a = Backend("a", answer=silent)
            async with running(a), balancing() as bench:
                await bench.show((group("g", a), 100), idle_s=0.2)
                return (await ask(bench.port))[0]

        assert asyncio.run(story()) == 504

    def test_a_stream_that_stalls_is_cut(self) -> None:
        """Silence in the middle of an answer for the idle timeout ends the connection."""

        async def stalls(
            backend: Backend, head: Head, body: bytes, writer: asyncio.StreamWriter
        ) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
            await asyncio.sleep(5)

        async def story() -> None:
            a = Backend("a", answer=stalls)
            async with running(a), balancing() as bench:
                await bench.show((group("g", a), 100), idle_s=0.2)
                with pytest.raises((BadMessage, ConnectionError, asyncio.IncompleteReadError)):
                    await ask(bench.port)

        asyncio.run(story())


class TestDeregistration:
    @staticmethod
    async def _slow(
        backend: Backend, head: Head, body: bytes, writer: asyncio.StreamWriter
    ) -> None:
        await asyncio.sleep(0.4)
        writer.write(whole(200, b"slow"))

    def test_open_requests_finish_and_new_ones_go_elsewhere(self) -> None:
        """A target that leaves is shown as draining and finishes what it carries."""

        async def story() -> None:
            a, b = Backend("a", answer=self._slow), Backend("b")
            async with running(a, b), balancing() as bench:
                await bench.show((group("g", a), 100))
                open_request = asyncio.create_task(ask(bench.port))
                await eventually(lambda: bool(a.seen))
                await bench.show((group("g", b), 100))
                assert await ask(bench.port) == (200, b"b")
                assert bench.board.draining("g") == [("a", a.port)]
                assert await open_request == (200, b"slow")

        asyncio.run(story())

    def test_what_is_open_after_the_delay_is_cut(self) -> None:
        """The deregistration delay is the longest that an open request may take."""

        async def story() -> None:
            a, b = Backend("a", answer=self._slow), Backend("b")
            async with running(a, b), balancing() as bench:
                await bench.show((group("g", a, delay_s=0.1), 100))
                open_request = asyncio.create_task(ask(bench.port))
                await eventually(lambda: bool(a.seen))
                await bench.show((group("g", b, delay_s=0.1), 100))
                with pytest.raises((AssertionError, ConnectionError)):
                    await open_request
                assert bench.board.draining("g") == []

        asyncio.run(story())
