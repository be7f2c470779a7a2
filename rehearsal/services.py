"""Running services: what the rehearsal's init does with a unit."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path

from rehearsal.nursery import Child, Nursery, send, session
from rehearsal.units import Line, Unit

RUN = Path("/run/rehearsal")
LOGS = Path("/var/log/rehearsal")
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
}
CLEAN_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE)


class ServiceError(Exception):
    """A service that did not start, with what the operator should look at."""


class Service:
    """One unit and its processes."""

    def __init__(self, unit: Unit, nursery: Nursery) -> None:
        self.unit = unit
        self.state = "inactive"
        self.result = ""
        self.restarts = 0
        self.main: Child | None = None
        self._nursery = nursery
        self._starts: deque[float] = deque()
        self._watch: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()

    async def start(self) -> None:
        """Start, and return when the unit's type says it is up. Raises ServiceError."""
        async with self._lock:
            if self.state != "active":
                await self._cancel_watch()
                await self._start()

    async def stop(self) -> None:
        """Stop, and return when its processes are gone."""
        async with self._lock:
            await self._cancel_watch()
            await self._stop()
            self.state, self.result = "inactive", ""

    async def reload(self) -> None:
        """Run its ExecReload lines."""
        if self.state != "active" or not self.unit.reload:
            raise ServiceError(f"{self.unit.name} can't be reloaded")
        await self._run(self.unit.reload)

    def reset(self) -> None:
        """Forget a failure."""
        self._starts.clear()
        if self.state == "failed":
            self.state, self.result = "inactive", ""

    async def _start(self) -> None:
        unit = self.unit
        if not all(_holds(condition) for condition in unit.conditions):
            return
        if self._too_often():
            self.state, self.result = "failed", "start-limit-hit"
            raise ServiceError(f"{unit.name}: start request repeated too quickly")
        self.state = "activating"
        try:
            for directory in unit.directories:
                Path(directory).mkdir(parents=True, exist_ok=True)
            await self._run(unit.start_pre)
            await asyncio.wait_for(self._come_up(), unit.timeout_start_s)
            await self._run(unit.start_post)
        except (ServiceError, OSError, TimeoutError) as error:
            await self._kill_rest(signal.SIGKILL)
            self.state, self.result = "failed", str(error) or "timeout"
            self._follow()
            raise ServiceError(
                f"Job for {unit.name} failed: {self.result}.\n"
                f'See "systemctl status {unit.name}" and "journalctl -u {unit.name}".'
            ) from error
        self._follow()

    async def _come_up(self) -> None:
        unit = self.unit
        if unit.type == "oneshot":
            await self._run(unit.start)
            self.state = "active" if unit.remain_after_exit else "inactive"
            return
        if unit.type != "notify":
            self.main = self._spawn(unit.start[0])
            self.state = "active"
            return
        with _notify_socket(unit.name) as (door, path):
            self.main = self._spawn(unit.start[0], {"NOTIFY_SOCKET": path})
            ready = asyncio.ensure_future(_says_ready(door))
            await asyncio.wait((ready, self.main.exit), return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                ready.cancel()
                raise ServiceError(f"main process ended: {_words(self.main.exit.result())}")
        self.state = "active"

    def _follow(self) -> None:
        self._watch = asyncio.ensure_future(self._after_exit())

    async def _after_exit(self) -> None:
        status = signal.SIGKILL.value
        if self.main is not None:
            status = await asyncio.shield(self.main.exit)
            self.main = None
            if self.unit.kill_mode == "control-group":
                await self._kill_rest(signal.SIGKILL)
        elif self.state != "failed":
            return
        clean = _is_clean(status) and self.state != "failed"
        self.state, self.result = ("inactive", "") if clean else ("failed", _words(status))
        if self._wants_restart(status, clean=clean):
            await asyncio.sleep(self.unit.restart_s)
            self.restarts += 1
            with contextlib.suppress(ServiceError):
                await self._start()

    def _wants_restart(self, status: int, *, clean: bool) -> bool:
        policy = self.unit.restart
        if policy in ("no", "always"):
            return policy == "always"
        if policy == "on-success":
            return clean
        return not clean and (policy == "on-failure" or os.WIFSIGNALED(status))

    async def _stop(self) -> None:
        main = self.main
        if main is not None and not main.exit.done():
            self.state = "deactivating"
            with contextlib.suppress(ServiceError):
                await self._run(self.unit.stop)
            send(main.pid, signal.Signals[self.unit.kill_signal])
            try:
                await asyncio.wait_for(asyncio.shield(main.exit), self.unit.timeout_stop_s)
            except TimeoutError:
                send(main.pid, signal.SIGKILL)
                await main.exit
        if self.unit.kill_mode == "control-group":
            await self._kill_rest(signal.SIGKILL)
        self.main = None

    async def _kill_rest(self, number: signal.Signals) -> None:
        if self.main is None:
            return
        for pid in session(self.main.pid):
            send(pid, number)

    async def _cancel_watch(self) -> None:
        if self._watch is not None and self._watch is not asyncio.current_task():
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        self._watch = None

    async def _run(self, lines: tuple[Line, ...]) -> None:
        for line in lines:
            child = self._spawn(line)
            status = await child.exit
            if status and not line.may_fail:
                raise ServiceError(f"{line.text!r} ended: {_words(status)}")

    def _spawn(self, line: Line, extra: Mapping[str, str] | None = None) -> Child:
        env = {**ENVIRONMENT, **_environment(self.unit), **(extra or {})}
        if self.main is not None and not self.main.exit.done():
            env["MAINPID"] = str(self.main.pid)
        return self._nursery.spawn(
            line.argv(env),
            env=env,
            cwd=self.unit.working_directory,
            log=LOGS / f"{self.unit.name}.log",
        )

    def _too_often(self) -> bool:
        now = time.monotonic()
        self._starts.append(now)
        while self._starts and self._starts[0] < now - self.unit.start_limit_interval_s:
            self._starts.popleft()
        return 0 < self.unit.start_limit_burst < len(self._starts)


def _environment(unit: Unit) -> dict[str, str]:
    values = dict(unit.environment)
    for file in unit.environment_files:
        path = Path(file.removeprefix("-"))
        if not path.exists():
            if file.startswith("-"):
                continue
            raise ServiceError(f"no environment file {path}")
        for line in path.read_text().splitlines():
            key, equals, value = line.strip().partition("=")
            if equals and not key.startswith(("#", ";")):
                values[key] = value.strip("'\"")
    return values


def _holds(condition: str) -> bool:
    if condition.startswith("!"):
        return not Path(condition[1:]).exists()
    return Path(condition).exists()


@contextlib.contextmanager
def _notify_socket(name: str) -> Iterator[tuple[socket.socket, str]]:
    path = RUN / f"notify-{name}"
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        door.bind(str(path))
        door.setblocking(False)
        try:
            yield door, str(path)
        finally:
            path.unlink(missing_ok=True)


async def _says_ready(door: socket.socket) -> None:
    while b"READY=1" not in await asyncio.get_running_loop().sock_recv(door, 4096):
        pass


def _is_clean(status: int) -> bool:
    if os.WIFSIGNALED(status):
        return os.WTERMSIG(status) in CLEAN_SIGNALS
    return os.WEXITSTATUS(status) == 0


def _words(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"killed by signal {os.WTERMSIG(status)}"
    return f"exit code {os.WEXITSTATUS(status)}"
