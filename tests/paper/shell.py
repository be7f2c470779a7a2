"""SSH to paper hosts: the host program's commands. Those that wait and look are the real ones."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from io import StringIO
from typing import Any

from provision.agent.bake import Limits, bake
from provision.agent.drain import drain
from provision.agent.errors import AgentError
from provision.agent.events import Events
from provision.agent.options import parser
from provision.agent.wait import wait
from provision.commands.command import Command, Result
from provision.commands.fence import REFUSED, SAYS
from provision.errors import CommandFailed, HostUnreachable
from provision.facts.inventory import Host
from tests.paper.doors import Moment, Process
from tests.paper.facts import facts_document
from tests.paper.host import OPERATOR, PaperHost
from tests.paper.jobs import Job

_PARSER = parser()


class PaperShell:
    """Implements Shell: the host program's commands on paper hosts."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def run(self, host: Host, command: Command, *, check: bool = True) -> Result:
        """What the host answers. Questions change nothing, not even the time."""
        result: Result = (
            self._process.look(lambda: self._answer(host, command))
            if command.epoch is None or "readlink" in command.display()
            else self.stream(host, command, lambda _: None)
        )
        if check and not result:
            raise CommandFailed(
                host.name,
                command.display(),
                exit_code=result.exit_code,
                stderr_tail=result.tail(),
            )
        return result

    def stream(self, host: Host, command: Command, on_line: Callable[[str], None]) -> Result:
        """The events of a command of the host program, when it has ended."""
        verb = str(command.argv[2]) if len(command.argv) > 2 else str(command.argv[0])
        result: Result = self._process.change(
            f"{host.name} {verb}", lambda: self._answer(host, command)
        )
        for line in result.stdout.splitlines():
            on_line(line)
        return result

    def upload(self, host: Host, files: Mapping[str, bytes], folder: str) -> None:
        """The host keeps what the folder is named by."""

        def keep() -> None:
            self._reach(host).kept.add(folder.rpartition("/")[2])

        self._process.change(f"{host.name} upload", keep)

    def close(self) -> None:
        """End all connections, of which the next command makes new ones; what runs goes on."""
        self._process.cuts += 1

    def _reach(self, host: Host) -> PaperHost:
        process = self._process
        found = process.world.hosts.get(host.name)
        if process.offline or found is None or not (found.on and found.ssh):
            raise HostUnreachable(host.name, "no connection: timed out", hint="`fab doctor`")
        return found

    def _answer(self, host: Host, command: Command) -> Result:
        paper = self._reach(host)
        if command.epoch is not None:
            if command.epoch < paper.epoch:
                return Result(REFUSED, stderr=f"{SAYS}{paper.epoch}\n")
            paper.epoch = command.epoch
        words = [str(word) for word in command.argv]
        if words[:2] == ["python3", "-"]:
            return Result(0, json.dumps(facts_document(paper)))
        if "readlink" in command.display():
            return Result(0, f"{paper.current or '/'}\n")
        cuts = self._process.cuts

        def still() -> None:
            self._reach(host)
            if self._process.cuts != cuts:
                raise HostUnreachable(host.name, "the connection was closed", hint="")

        return _HostProgram(self._process, paper, still).run(words[2:])


class _HostProgram:
    """The host program on a paper host; the waiting ones are the real ones."""

    def __init__(self, process: Process, host: PaperHost, still: Callable[[], None]) -> None:
        self._process, self._host, self._still = process, host, still
        self._said = StringIO()
        self._events = Events(self, stream=self._said, file=None)

    def now(self) -> float:
        """Clock of the host."""
        return self._host.now

    def monotonic(self) -> float:
        """Clock of the host."""
        return self._host.now

    def sleep(self, seconds: float) -> None:
        """Clock of the host; its caller may be cut off, or be killed."""
        self._process.wait(seconds, self._still)

    def run(self, words: list[str]) -> Result:
        """Its exit code and its events."""
        options = _options(tuple(words))
        code = 0
        try:
            code = getattr(self, f"_{options.command.replace('-', '_')}")(options) or 0
        except AgentError as error:
            self._events.emit("failed", reason=error.reason, hint=error.hint, log=list(error.log))
            code = 1
        return Result(code, self._said.getvalue())

    def _maintain(self, options: Any) -> None:
        mark = self._host.maintain(lease_s=options.lease, why=options.why)
        self._events.emit("maintenance", **asdict(mark))

    def _resume(self, _: Any) -> None:
        self._events.emit("resumed", was_away=self._host.resume())

    def _drain(self, options: Any) -> None:
        drain(
            lambda: [self._host.metrics()],
            quiet_s=options.quiet,
            timeout_s=options.timeout,
            clock=self,
            events=self._events,
        )

    def _wait(self, options: Any) -> None:
        wait(
            options.release,
            options.timeout,
            ask=self._host.status,
            engine_log=lambda: ["ERROR out of memory"],
            clock=self,
            events=self._events,
        )

    def _bake(self, options: Any) -> None:
        bake(
            options.release,
            options.seconds,
            limits=Limits(),
            ask=self._host.status,
            clock=self,
            events=self._events,
        )

    def _ask(self, options: Any) -> None:
        """As :func:`provision.agent.ask.ask` does: until both answers come, or the time is up."""
        until = self.now() + options.timeout
        while not self._host.warm:
            if self.now() >= until:
                raise AgentError("no answer of this host's front: HTTP 502", hint="`fab logs`")
            self.sleep(1.0)
        self._events.emit("answered", chunks=9)

    def _prove_gpu(self, options: Any) -> None:
        self._events.emit("gpu-visible", image=options.image, gpus=options.count)

    def _apply(self, options: Any) -> int:
        job = self._host.jobs.add(
            options.release,
            by=OPERATOR,
            restart=options.restart,
            fetch=options.fetch,
            away_since=options.away_since,
            first=options.first,
        )
        return self._follow(job)

    def _prepare(self, options: Any) -> int:
        return self._follow(
            self._host.jobs.add(options.release, by=OPERATOR, fetch=options.fetch, ahead=True)
        )

    def _follow(self, job: Job) -> int:
        told = ""
        while job.code is None:
            if job.doing != told:  # before the old engine stops, while it does, and after
                told = job.doing
                what = f"{self._host.name} {'prepare' if job.ahead else 'apply'} {told}"
                self._process.watch(Moment(what, "during"))
            self._process.wait(0.5, self._still)
        for event in job.events:
            self._events.emit(event.pop("event"), **event)
        return job.code or 0


@functools.cache
def _options(words: tuple[str, ...]) -> Any:
    return _PARSER.parse_args(words)
