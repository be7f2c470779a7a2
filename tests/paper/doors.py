"""The four doors of one process to a paper world, in which it can be killed at any instruction."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from provision.connectors.protocols import Answer
from provision.errors import CloudError
from tests.paper.world import World

CHANGES = ("put_if", "put_object", "put_secret", "register", "deregister", "suspend", "resume")
_REFUSED_BY_NOBODY = ("register", "deregister", "suspend", "resume", "put_object")
WHOLE = '{"choices": [{"message": {"content": "Hello."}, "finish_reason": "stop"}]}'


class Killed(BaseException):
    """The process is gone: nothing of it happens any more."""


@dataclass(frozen=True)
class Moment:
    """A place in a process's life: it is about to do *what*, amid it, or has done it."""

    what: str
    when: str  # before, during, after

    def __str__(self) -> str:
        return f"{self.when} {self.what}"


@dataclass
class Room:
    """The world that processes share; it may be replaced by a copy."""

    world: World
    lock: threading.RLock = field(default_factory=threading.RLock)


Watch = Callable[[Moment], None]


@dataclass
class Process:
    """One run of ``fab`` on somebody's machine.

    Attributes:
        id: what the machine knows it by; ``person`` and ``machine`` say whose and where.
        watch: is told of every moment at which something changes; it may kill.
        gate: is passed before each call that changes or waits, and before *gated_looks*.
        offline: its machine has no network.
        at: the call that it makes, or made last.
    """

    room: Room
    id: str
    person: str = "anna"
    machine: str = "laptop"
    watch: Watch = lambda _: None
    gate: Callable[[str], None] = lambda _: None
    offline: bool = False
    gated_looks: tuple[str, ...] = ()
    at: str = ""
    cuts: int = 0

    def __post_init__(self) -> None:
        self.room.world.alive.add(self.id)

    @property
    def world(self) -> World:
        """Where it acts."""
        return self.room.world

    @property
    def lives(self) -> bool:
        """It was not killed."""
        return self.id in self.world.alive

    @property
    def looks_first(self) -> bool:
        """What it does next is refused when another has taken over, by S3 or by a host.

        AWS refuses nobody, so a run asks S3 in the moment before. Who is sent to sleep in such a
        moment, wakes, and goes on, acts on what was so then.
        """
        return not self.at.startswith(_REFUSED_BY_NOBODY)

    def kill(self) -> None:
        """``kill -9``."""
        self.world.dies(self.id)

    def check(self) -> None:
        """Raise Killed when it is dead."""
        if not self.lives:
            raise Killed(self.id)

    def change(self, what: str, act: Callable[[], Any]) -> Any:
        """Do something that others can see."""
        self.check()
        self.at = what
        self.gate(what)
        with self.room.lock:
            self.check()
            self.watch(Moment(what, "before"))
            self.check()
            result = act()
            self.check()
            self.watch(Moment(what, "after"))
            self.check()
            return result

    def look(self, act: Callable[[], Any]) -> Any:
        """Ask something that changes nothing."""
        self.check()
        with self.room.lock:
            return act()

    def wait(self, seconds: float, cut: Callable[[], None] = lambda: None) -> None:
        """Let time pass; *cut* raises when there is nothing to wait for any more."""
        until = self.world.time.now + seconds
        while self.world.time.step(until):
            self.check()
            cut()
        self.check()
        cut()


@dataclass
class PaperClock:
    """Implements Clock. A machine's clock may be wrong by *skew_s*."""

    process: Process
    skew_s: float = 0.0

    def now(self) -> float:
        """Seconds since the epoch, as this machine believes."""
        return self.process.world.time.now + self.skew_s

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return self.process.world.time.now

    def sleep(self, seconds: float) -> None:
        """Others act meanwhile."""
        self.process.check()
        with self.process.room.lock:
            self.process.wait(seconds)


class CloudDoor:
    """Implements Cloud: the world's account, as this process reaches it."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def identity(self) -> str:
        """The ARN by which AWS knows the caller."""
        return f"arn:aws:iam::123456789012:user/{self._process.person}"

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            process = self._process

            def act() -> Any:
                if process.offline:
                    raise CloudError(f"{name} failed: could not connect", hint="are you online?")
                return getattr(process.world.account, name)(*arguments, **options)

            if name in process.gated_looks:
                process.gate(name)
            if name not in CHANGES:
                return process.look(act)
            return process.change(f"{name} {_shown(arguments)}", act)

        return call


class PaperHttp:
    """Implements Http: a client's request through the load balancer, which waits for its end."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def get(self, url: str, *, headers: Mapping[str, str], timeout_s: float) -> Answer:
        """Nobody asks this way."""
        raise AssertionError(f"nobody prepared GET {url}")

    def post(
        self, url: str, body: Mapping[str, Any], *, headers: Mapping[str, str], timeout_s: float
    ) -> Answer:
        """An answer of a warm engine, or 502."""

        def ask() -> Answer:
            host = self._process.world.balancer.pick()
            if host is None or not host.warm:
                return Answer(502, {}, "Bad Gateway")
            host.take_request(1.0)
            tier = {"x-llm-tier": "primary"}
            if body.get("stream"):
                return Answer(200, tier, "data: {}\n\ndata: [DONE]", chunks=9)
            return Answer(200, tier, WHOLE)

        answer: Answer = self._process.look(ask)
        return answer

    def stream(
        self, url: str, body: Mapping[str, Any], *, headers: Mapping[str, str], timeout_s: float
    ) -> Iterator[str]:
        """Nobody asks this way."""
        raise AssertionError(f"nobody prepared a stream of {url}")


def _shown(arguments: tuple[Any, ...]) -> str:
    return " ".join(str(one) for one in arguments if isinstance(one, str | tuple))
