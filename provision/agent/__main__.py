"""The host program's command line. Every line on stdout is one JSON object."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
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
from provision.agent.leaving import refuse
from provision.agent.maintenance import Maintenance
from provision.agent.metadata import Metadata
from provision.agent.paths import Paths
from provision.agent.serve import Agent
from provision.agent.settings import AgentSettings, HostSettings
from provision.agent.signals import interruptible
from provision.agent.system import SystemClock, read_json, run
from provision.agent.wait import ask_status, wait

_LAST_LINES = 40
_ONLY_ASKS = ("status", "wait", "ask", "bake", "prove-gpu")
_FOR_THOSE_WHO_STAY = ("apply", "maintain", "drain", "resume", "wait", "bake", "boot")


def main(arguments: Optional[List[str]] = None) -> int:
    """Run one command; its exit code is 0, or 1 after a ``failed`` event."""
    options = _parser().parse_args(arguments)
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="host.pyz", description="llm-fleet on this host")
    commands = parser.add_subparsers(dest="command", required=True)
    apply = commands.add_parser("apply", help="bring a release onto this host")
    apply.add_argument("--release", required=True)
    apply.add_argument("--fetch", action="store_true", help="take its folder from the bucket")
    apply.add_argument("--restart", action="store_true", help="start its containers anew")
    away = commands.add_parser("maintain", help="take no traffic for a while; again renews it")
    away.add_argument("--lease", type=float, required=True, help="seconds until it ends by itself")
    away.add_argument("--why", required=True)
    empty = commands.add_parser("drain", help="wait until no engine has anything to do")
    empty.add_argument("--quiet", type=float, default=2.0, help="seconds without any work")
    empty.add_argument("--timeout", type=float, required=True, help="seconds")
    commands.add_parser("resume", help="end the maintenance")
    watched = commands.add_parser("bake", help="watch that it stays ready for a release")
    watched.add_argument("--release", required=True)
    watched.add_argument("--seconds", type=float, required=True)
    follow = commands.add_parser("wait", help="follow until the agent is ready for a release")
    follow.add_argument("--release", required=True)
    follow.add_argument("--timeout", type=float, default=1200.0, help="seconds")
    asked = commands.add_parser("ask", help="ask this host's front; the key on stdin")
    asked.add_argument("--model", help="default: what the current release is called")
    asked.add_argument("--completion", action="store_true", help="a base model: no messages")
    asked.add_argument("--timeout", type=float, required=True, help="seconds")
    commands.add_parser("status", help="the agent's status document")
    commands.add_parser("seed-weights", help="model hub -> cache and bucket; request on stdin")
    commands.add_parser("mirror", help="images -> the account's registry; request on stdin")
    prove = commands.add_parser("prove-gpu", help="are the GPUs visible inside a container?")
    prove.add_argument("--image", required=True)
    prove.add_argument("--count", type=int, required=True)
    commands.add_parser("boot", help="what a host does on every boot")
    commands.add_parser("serve", help="the agent")
    return parser


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
    with interruptible():
        Apply(host(paths, events)).release(
            options.release, fetch=options.fetch, recreate=options.restart
        )


def _maintain(options: argparse.Namespace, paths: Paths, events: Events) -> None:
    mark = Maintenance(paths.maintenance).begin(
        SystemClock().now(), lease_s=options.lease, why=options.why
    )
    events.emit("maintenance", **asdict(mark))


def _drain(options: argparse.Namespace, paths: Paths, events: Events) -> None:
    clock = SystemClock()
    engines = engines_of(paths, clock)
    drain(
        lambda: [engine.metrics() for engine in engines],
        quiet_s=options.quiet,
        timeout_s=options.timeout,
        clock=clock,
        events=events,
    )


def _resume(_: argparse.Namespace, paths: Paths, events: Events) -> None:
    events.emit("resumed", was_away=Maintenance(paths.maintenance).end())


def _bake(options: argparse.Namespace, paths: Paths, events: Events) -> None:
    clock = SystemClock()
    bake_on(paths, options.release, options.seconds, ask=ask_status, clock=clock, events=events)


def engines_of(paths: Paths, clock: SystemClock) -> List[Engine]:
    """The engines of the current release, none when there is no release."""
    if paths.current_release() is None:
        return []
    settings, secret = current_settings(paths), hop.read(paths)
    return [Engine(replica.port, settings.model, secret, clock) for replica in settings.replicas]


def current_settings(paths: Paths) -> AgentSettings:
    """What the release says that runs here. Raises AgentError when none does."""
    release = paths.current_release()
    if release is None:
        raise AgentError("no release runs here", hint="`fab deploy` brings one")
    return AgentSettings.parse(read_json(paths.release(release) / "agent.json"))


def _wait(options: argparse.Namespace, _paths: Paths, events: Events) -> None:
    docker = Docker(run)

    def last_lines() -> List[str]:
        lines = docker.logs(f"{ENGINE_PREFIX}0", tail=_LAST_LINES)
        return engine_log.trouble(lines)

    wait(
        options.release,
        options.timeout,
        ask=ask_status,
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
