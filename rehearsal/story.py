"""What `fab rehearse` does: an environment provisioned, set up, deployed and asked, with times.

The same code paths as on AWS: the Pulumi program, the host program from user data, the deploy's own
Plan and executor. Only the machine room is of this machine.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from provision.catalog.instances import instance_type
from provision.catalog.models import model as model_of
from provision.catalog.prices.load import load
from provision.config.dump import dump
from provision.config.environment import Environment
from provision.config.hosted import key_secrets
from provision.connectors.aws import AwsCloud
from provision.connectors.clock import SystemClock
from provision.connectors.gateway import AwsGateway, GatewayService
from provision.connectors.http import HttpxHttp
from provision.connectors.protocols import Cloud, Shell
from provision.connectors.ssh import FabricShell
from provision.errors import FleetError
from provision.executor.deploy import prepare
from provision.executor.executor import Executor
from provision.executor.gateway_now import look
from provision.executor.key_store import KeyStore, new_text
from provision.executor.outcome import Outcome
from provision.executor.service import problem
from provision.planning import keys
from provision.planning.plan import Plan
from provision.planning.release import CURRENT, parse_current
from provision.report.lines import line
from provision.secret import Secret
from rehearsal import engine, gateway, images, machine, outage_report, tiny_model
from rehearsal.adapt import adapt
from rehearsal.hub_folder import fill
from rehearsal.outage import Outage, Stage, play, settle
from rehearsal.provisioning import provision
from rehearsal.settings import HOSTED_KEY, Settings, forget_aws_settings
from rehearsal.steady_client import SteadyClient
from rehearsal.world import STATE, World

BOOT_TIMEOUT_S = 120.0
OURS_TIMEOUT_S = 30.0
KEY_NAME = "rehearsal"
STANDING = "Pulumi.rehearsal.yaml"

Say = Callable[[str], None]


@dataclass(slots=True)
class Rehearsal:
    """What came of it; ``steps`` are (name, seconds) in order."""

    ok: bool = False
    standing: bool = False
    model: str = ""
    endpoint: str = ""
    api_key: str = ""
    hosts: tuple[str, ...] = ()
    release: str = ""
    answer: str = ""
    streamed_chunks: int = 0
    steps: list[tuple[str, float]] = field(default_factory=list)
    changes: tuple[str, ...] = ()
    left_behind: tuple[str, ...] = ()
    waterfalls: dict[str, dict[str, float]] = field(default_factory=dict)
    outage: Outage | None = None

    @contextmanager
    def step(self, name: str, say: Say) -> Iterator[None]:
        """Say what begins, and keep how long it took."""
        say(f"== {name}")
        begun = time.monotonic()
        yield
        self.steps.append((name, round(time.monotonic() - begun, 1)))


def rehearse(
    wanted: Environment,
    room: Environment,
    *,
    hosts: int | None,
    keep: bool,
    outage: bool = False,
    say: Say,
) -> Rehearsal:
    """Rehearse *wanted* in the machine room that *room* describes, with *outage* an outage too.

    Takes everything away at the end, also after a failure and on Ctrl-C; with *keep* a rehearsal
    that went well stays, and ``--env rehearsal`` names it. Raises FleetError with what failed.
    """
    forget_aws_settings()
    story, world = Rehearsal(), World()
    if world.is_standing():
        raise FleetError("a rehearsal stands already", hint="take it away: `fab rehearse --down`")
    try:
        _play(story, world, wanted, room, hosts=hosts, outage=outage, say=say)
    except BaseException:
        _take_away(story, world, say)
        raise
    story.standing = keep
    if not keep:
        _take_away(story, world, say)
    story.ok = not story.left_behind
    return story


def take_down(say: Say) -> Rehearsal:
    """Take away whatever stands, or what a killed rehearsal left."""
    story = Rehearsal()
    _take_away(story, World(), say)
    story.ok = not story.left_behind
    return story


def _play(
    story: Rehearsal,
    world: World,
    wanted: Environment,
    room: Environment,
    *,
    hosts: int | None,
    outage: bool,
    say: Say,
) -> None:
    with story.step("check this machine", say):
        machine.check()
        engine_python = engine.ensure(say)
        if outage:
            gateway.ensure(say)
        tiny = tiny_model.ensure(engine.CACHE / "tiny-model", engine_python)
    mounts = images.engine_mounts(engine_python)
    adapted = adapt(wanted, room, mounts=mounts, hosts=hosts, outage=outage)
    environment, story.changes = adapted.environment, adapted.changes
    with story.step("start the machine room", say):
        settings = _start(world, environment, engine_python, tiny, say)
    with story.step("provision with the Pulumi program", say):
        story.endpoint = provision(
            environment,
            endpoint_url=settings.api,
            load_balancer_address=str(settings.network.load_balancer),
            public_key=Path(f"{settings.ssh_key}.pub").read_text().strip(),
        ).endpoint
    cloud, shell = AwsCloud(environment), FabricShell(environment.access, environment.region)
    try:
        with story.step("hosts boot by themselves", say):
            _wait_for_hosts(cloud, environment.fleet.hosts, say)
        _deploy(story, environment, cloud, shell, say)
        if outage:
            _outage(story, world, environment, cloud, say)
    finally:
        shell.close()


def _start(
    world: World, environment: Environment, engine_python: Path, tiny: Path, say: Say
) -> Settings:
    model, kind = model_of(environment.model.name), instance_type(environment.fleet.instance_type)
    settings = world.start(
        engine_python=engine_python,
        hub=fill(engine.CACHE / "hub", model, tiny),
        region=environment.region,
        cidr=environment.network.cidr,
        gpu=kind.gpu.name,
        gpus=kind.gpus,
        gated=(model.repository,) if model.gated else (),
        outage=environment.fallback.exists,
        say=say,
    )
    (world.state / STANDING).write_text(dump(environment))
    return settings


def _wait_for_hosts(cloud: Cloud, count: int, say: Say) -> None:
    """Until *count* hosts run and have published their host keys."""
    begun = time.monotonic()
    while True:
        ready = [host.name for host in cloud.inventory() if host.host_keys]
        if len(ready) >= count:
            say(f"{', '.join(ready)} published their host keys")
            return
        if time.monotonic() - begun > BOOT_TIMEOUT_S:
            raise FleetError(
                f"{len(ready)} of {count} hosts booted within {BOOT_TIMEOUT_S:.0f} s",
                hint=f"their consoles are under {STATE / 'hosts'}",
            )
        time.sleep(0.5)


def _deploy(
    story: Rehearsal, environment: Environment, cloud: Cloud, shell: Shell, say: Say
) -> None:
    with story.step("add a client key and the hub's token", say):
        story.api_key, now = new_text(), datetime.now(UTC)
        KeyStore(cloud).change(lambda known: keys.add(known, KEY_NAME, story.api_key, now=now))
        cloud.put_secret(cloud.outputs().hub_token_secret, Secret("hf_rehearsal"))
        for secret in key_secrets(environment).values():
            cloud.put_secret(secret, Secret(HOSTED_KEY))
    service = AwsGateway(environment, cloud.outputs) if environment.fallback.exists else None
    with story.step("plan the deploy", say):
        plan = _plan(environment, cloud, shell, service)
        say(f"{plan.title}: {sum(len(wave.steps) for wave in plan)} steps")
    executor = Executor(
        shell=shell,
        http=HttpxHttp(),
        cloud=cloud,
        clock=SystemClock(),
        gateway=service,
        listener=lambda event: say(line(event)),
    )
    outcome = executor.execute(plan)
    story.steps += [(f"deploy: {title}", round(s, 1)) for title, s in outcome.waves.items()]
    _require(outcome)
    story.waterfalls = {host.name: dict(host.waterfall) for host in outcome.hosts if host.waterfall}
    with story.step("deploy again: nothing to do", say):
        again = _plan(environment, cloud, shell, service)
        if again:
            summaries = [step.summary for wave in again for step in wave.steps]
            raise FleetError(f"a second deploy found work: {summaries}")
    if service is not None:
        with story.step("wait until the fleet has all traffic", say):
            settle(cloud)
    with story.step("ask with the client's key", say):
        _ask(story, environment)
    story.hosts = tuple(host.name for host in cloud.inventory())
    story.release = parse_current(cloud.get_object(CURRENT)) or ""


def _plan(
    environment: Environment, cloud: Cloud, shell: Shell, service: GatewayService | None
) -> Plan:
    way_out = partial(look, cloud=cloud, service=service, book=load()) if service else None
    return prepare(environment, cloud=cloud, shell=shell, spare_key=new_text(), way_out=way_out)


def _require(outcome: Outcome) -> None:
    """Raise what went wrong first, on whichever host."""
    for host in outcome.hosts:
        if host.error is not None:
            raise host.error
    if not outcome.ok:
        raise FleetError(f"the deploy stopped before: {', '.join(outcome.never_began)}")


def _ask(story: Rehearsal, environment: Environment) -> None:
    """One answer whole and one streamed, as a client of the service would, of our own engine."""
    story.model = environment.model.served_name or environment.model.name
    question = {
        "model": story.model,
        "max_tokens": 24,
        "messages": [{"role": "user", "content": "What do you say from so small a machine?"}],
    }
    headers = {"Authorization": f"Bearer {story.api_key}"}
    url = f"{story.endpoint}/v1/chat/completions"
    http = HttpxHttp()
    # The load balancer sends by the weights of before for a moment after they changed.
    until = time.monotonic() + OURS_TIMEOUT_S
    while True:
        whole = http.post(url, question, headers=headers, timeout_s=60)
        wrong = problem(whole)
        if not wrong:
            break
        if whole.status != 200 or time.monotonic() > until:
            raise FleetError(f"{url} gave no answer of our own engine: {wrong}")
        time.sleep(0.5)
    story.answer = json.loads(whole.text)["choices"][0]["message"]["content"]
    events = http.stream(url, {**question, "stream": True}, headers=headers, timeout_s=60)
    story.streamed_chunks = sum(1 for event in events if '"choices"' in event)


def _outage(
    story: Rehearsal, world: World, environment: Environment, cloud: Cloud, say: Say
) -> None:
    client = SteadyClient(story.endpoint, story.api_key, story.model)
    each = environment.engine.replicas_per_host or 1
    stage = Stage(world, cloud, client, say, each)
    story.outage = Outage()
    with story.step("outage", say):
        try:
            play(stage, story.outage)
        except FleetError:
            say("\n".join(outage_report.lines(story.outage)))
            raise


def _take_away(story: Rehearsal, world: World, say: Say) -> None:
    with story.step("take everything away", say):
        world.stop()
        story.left_behind = tuple(world.left_behind())
