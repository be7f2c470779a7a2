"""The host program's command line. Every line on stdout is one JSON object."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from functools import partial
from typing import Any, Callable, Dict, List, Optional

from provision.agent import engine_log, gpu, hop, images, mirror, seed
from provision.agent.apply import Apply
from provision.agent.ask import Question, ask
from provision.agent.bake import bake_on
from provision.agent.boot import boot
from provision.agent.cloud import Cloud
from provision.agent.docker import ENGINE_PREFIX, Docker
from provision.agent.drain import drain
from provision.agent.engine import Engine
from provision.agent.errors import AgentError, Stopped
from provision.agent.events import Events
from provision.agent.host import Host
from provision.agent.leave_out import leave_out, take_in
from provision.agent.leaving import refuse
from provision.agent.maintenance import Maintenance
from provision.agent.metadata import Metadata
from provision.agent.one_engine import OneEngine
from provision.agent.options import parser
from provision.agent.paths import Paths
from provision.agent.serve import Agent
from provision.agent.settings import AgentSettings, HostSettings
from provision.agent.signals import interruptible
from provision.agent.system import SystemClock, read_json, run
from provision.agent.wait import ask_status, of_replica, wait

_LAST_LINES = 40
_ONLY_ASKS = ("status", "wait", "ask", "bake", "prove-gpu")
_FOR_THOSE_WHO_STAY = ("apply", "prepare", "maintain", "drain", "resume", "wait", "bake", "boot")


def main(arguments: Optional[List[str]] = None) -> int:
    """Run one command; its exit code is 0, or 1 after a ``failed`` event."""
    options = parser().parse_args(arguments)
    paths, clock = Paths(), SystemClock()
    file = None if options.command in _ONLY_ASKS else paths.events
    events = Events(clock, stream=sys.stdout, file=file)
    try:
        if options.command in _FOR_THOSE_WHO_STAY:
            refuse(paths, clock.now())
        _COMMANDS[options.command](options, paths, events)
    except AgentError as error:
        events.emit(
            "failed", reason=error.reason, hint=error.hint, log=list(error.log), **error.more()
        )
        return 1
    except (Stopped, KeyboardInterrupt) as error:
        reason = str(error) or "interrupted"
        events.emit("failed", reason=reason, hint="run it again to go on", log=[])
        return 1
    return 0


def host(paths: Paths, events: Events) -> Host:
    """This host, as ``host.json`` describes it."""
    settings = HostSettings.parse(read_json(paths.host_json))
    return Host(
        paths=paths,
        settings=settings,
        cloud=Cloud(settings),
        metadata=Metadata(),
        run=run,
        docker=Docker(run),
        clock=SystemClock(),
        events=events,
    )


def _apply(options: argparse.Namespace, paths: Paths, events: Events) -> None:
    here = host(paths, events)
    whole = partial(Apply(here).release, first=options.first)
    change = whole if options.replica is None else OneEngine(here, options.replica).apply
    with interruptible():
        change(
            options.release,
            fetch=options.fetch,
            recreate=options.restart,
            away_since=options.away_since,
        )


def _prepare(options: argparse.Namespace, paths: Paths, events: Events) -> None:
    with interruptible():
        Apply(host(paths, events)).prepare(options.release, fetch=options.fetch)


def _maintain(options: argparse.Namespace, paths: Paths, events: Events) -> None:
    now, replica = SystemClock().now(), options.replica
    if replica is None:
        mark = Maintenance(paths.maintenance).begin(now, lease_s=options.lease, why=options.why)
    else:
        status = ask_status()
        mark = leave_out(paths, status, replica, now=now, lease_s=options.lease, why=options.why)
    events.emit("maintenance", **asdict(mark), **_which(options))


def _drain(options: argparse.Namespace, paths: Paths, events: Events) -> None:
    clock, one = SystemClock(), options.replica
    mark = Maintenance(paths.maintenance if one is None else paths.maintenance_of(one))
    mark.emptied(clock.now(), yes=False)
    engines = engines_of(paths, clock, one)
    drain(
        lambda: [engine.metrics() for engine in engines],
        quiet_s=options.quiet,
        timeout_s=options.timeout,
        clock=clock,
        events=events,
    )
    mark.emptied(clock.now(), yes=True)


def _resume(options: argparse.Namespace, paths: Paths, events: Events) -> None:
    if options.replica is None:
        was_away = Maintenance(paths.maintenance).end()
    else:
        was_away = take_in(paths, options.replica, ask=ask_status, clock=SystemClock())
    events.emit("resumed", was_away=was_away, **_which(options))


def _which(options: argparse.Namespace) -> Dict[str, Any]:
    """Which engine it is about, for an event; nothing when it is about the host."""
    return {} if options.replica is None else {"replica": options.replica}


def _bake(options: argparse.Namespace, paths: Paths, events: Events) -> None:
    bake_on(
        paths,
        options.release,
        options.seconds,
        replica=options.replica,
        ask=ask_status,
        clock=SystemClock(),
        events=events,
    )


def engines_of(paths: Paths, clock: SystemClock, index: Optional[int] = None) -> List[Engine]:
    """The engines of the current release, or the one *index*; none when there is no release."""
    if paths.current_release() is None:
        return []
    settings, secret = current_settings(paths), hop.read(paths)
    return [
        Engine(replica.port, settings.model, secret, clock)
        for replica in settings.replicas
        if index in (None, replica.index)
    ]


def current_settings(paths: Paths) -> AgentSettings:
    """What the release says that runs here. Raises AgentError when none does."""
    release = paths.current_release()
    if release is None:
        raise AgentError("no release runs here", hint="`fab deploy` brings one")
    return AgentSettings.parse(read_json(paths.release(release) / "agent.json"))


def _wait(options: argparse.Namespace, _paths: Paths, events: Events) -> None:
    docker, replica = Docker(run), options.replica

    def last_lines() -> List[str]:
        lines = docker.logs(f"{ENGINE_PREFIX}{replica or 0}", tail=_LAST_LINES)
        return engine_log.trouble(lines)

    wait(
        options.release,
        options.timeout,
        ask=ask_status if replica is None else of_replica(ask_status, replica),
        engine_log=last_lines,
        clock=SystemClock(),
        events=events,
    )


def _ask(options: argparse.Namespace, paths: Paths, events: Events) -> None:
    model = options.model or current_settings(paths).model
    question = Question.parse(_request(), model=model, chat=not options.completion)
    ask(question, options.timeout, clock=SystemClock(), events=events)


def _status(_: argparse.Namespace, _paths: Paths, _events: Events) -> None:
    document = ask_status()
    if document is None:
        raise AgentError(
            "the agent does not answer", hint="systemctl status llm-fleet-agent on the host"
        )
    sys.stdout.write(json.dumps(document) + "\n")


def _seed(_: argparse.Namespace, paths: Paths, events: Events) -> None:
    with interruptible():
        seed.seed(host(paths, events), seed.Request.parse(_request()))


def _mirror(_: argparse.Namespace, paths: Paths, events: Events) -> None:
    with interruptible():
        mirror.mirror(paths, Docker(run), events, mirror.Request.parse(_request()))


def _prove_gpu(options: argparse.Namespace, paths: Paths, events: Events) -> None:
    docker = Docker(run)
    if not docker.has_image(options.image):
        with events.phase("pull"):
            images.ensure(docker, host(paths, events).cloud, [options.image], scratch=paths.run)
    gpus = gpu.prove(docker, run, options.image, options.count)
    events.emit("gpu-visible", image=options.image, gpus=gpus)


def _boot(_: argparse.Namespace, paths: Paths, events: Events) -> None:
    with interruptible():
        boot(host(paths, events))


def _serve(_: argparse.Namespace, paths: Paths, events: Events) -> None:
    Agent(host(paths, events)).run()


def _request() -> Dict[str, Any]:
    try:
        request: Dict[str, Any] = json.load(sys.stdin)
    except ValueError as error:
        raise AgentError(f"standard input is not a JSON request: {error}") from None
    return request


_COMMANDS: Dict[str, Callable[[argparse.Namespace, Paths, Events], None]] = {
    "apply": _apply,
    "prepare": _prepare,
    "wait": _wait,
    "ask": _ask,
    "status": _status,
    "seed-weights": _seed,
    "mirror": _mirror,
    "prove-gpu": _prove_gpu,
    "maintain": _maintain,
    "drain": _drain,
    "resume": _resume,
    "bake": _bake,
    "boot": _boot,
    "serve": _serve,
}

if __name__ == "__main__":
    sys.exit(main())
