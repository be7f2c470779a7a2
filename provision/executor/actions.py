"""Each action of a Plan, carried out through the four doors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from provision.commands import host_program
from provision.commands.command import Command
from provision.connectors.gateway import GatewayService
from provision.connectors.protocols import Clock, Cloud, Http, Shell, TemporaryKeys
from provision.connectors.switchboard import Switchboard
from provision.errors import HostError, KeysExpired, NotReady
from provision.executor.calls import call_of
from provision.executor.gateway import GatewayWork
from provision.executor.host_program import Say, follow
from provision.executor.images import mirror_document
from provision.executor.leases import Leases
from provision.executor.levers import Levers
from provision.executor.replaced import replacing
from provision.executor.service import Traffic, ask, key_to_ask_with
from provision.facts.inventory import Host
from provision.planning import probe_key
from provision.planning.actions import (
    AcceptProbeKey,
    Action,
    ApplyRelease,
    AskFront,
    AskThroughLoadBalancer,
    Bake,
    BeginMaintenance,
    EnterTraffic,
    FreeFleet,
    HoldFleet,
    LeaveTraffic,
    MirrorImages,
    PublishRelease,
    Run,
    SeedWeights,
    SetCurrent,
    TerminateHost,
    UploadFiles,
    WaitInTraffic,
    WaitReady,
    WaitReplaced,
)
from provision.planning.gateway_actions import AskGateway, BuildGateway, MoveGateway, WaitGateway
from provision.planning.levers import Linger, PutWish, WaitShare
from provision.planning.plan import Step
from provision.planning.release import CURRENT, MANIFEST, Release, current_document
from provision.secret import Secret

_PARALLEL_PUTS = 8


@dataclass(frozen=True, slots=True)
class Did:
    """What an action left to tell."""

    detail: str = ""
    phases: Mapping[str, float] = field(default_factory=dict)
    answer: str = ""
    chunks: int = 0


def changes(step: Step) -> bool:
    """Whether the step changes something; the others only wait and may be cut at any time."""
    return not isinstance(step.action, _ONLY_WAITS)


_ONLY_WAITS = (
    *(WaitReady, WaitInTraffic, AskFront, AskThroughLoadBalancer, Bake, WaitReplaced),
    *(WaitShare, Linger, WaitGateway, AskGateway),
)


class Actions:
    """Carries out single steps; safe from many threads."""

    def __init__(
        self,
        *,
        shell: Shell,
        http: Http,
        cloud: Cloud,
        clock: Clock,
        stopped: Callable[[], bool],
        board: Switchboard | None = None,
        gateway: GatewayService | None = None,
        confirm: Callable[[], None] = lambda: None,
    ) -> None:
        self._shell, self._http, self._cloud, self._clock = shell, http, cloud, clock
        self._stopped, self._confirm = stopped, confirm
        self._traffic = Traffic(cloud, clock, confirm=confirm)
        self._leases = Leases(shell)
        self._levers = Levers(board=board, cloud=cloud, clock=clock, stopped=stopped)
        self._gateway = GatewayWork(
            service=gateway, shell=shell, http=http, cloud=cloud, clock=clock, stopped=stopped
        )

    def carry_out(self, step: Step, say: Say) -> Did:
        """Do *step*, telling *say* about its progress. Raises FleetError when it fails.

        *confirm* made sure that the run may still change something: AWS refuses nobody, as hosts do
        who hear from a newer one.
        """
        self._confirm()
        if isinstance(step.action, TerminateHost | WaitReplaced):
            cloud, clock, stopped = self._cloud, self._clock, self._stopped
            return Did(replacing(step, cloud=cloud, clock=clock, stopped=stopped, say=say))
        if isinstance(step.action, PutWish | WaitShare | Linger):
            return Did(self._levers.pull(step.action, say))
        if isinstance(step.action, BuildGateway | MoveGateway | WaitGateway | AskGateway):
            return Did(self._gateway.carry_out(step.host, step.action, say))
        if step.host is None:
            return self._on_environment(step)
        return self._on_host(step, step.host, say)

    def _on_environment(self, step: Step) -> Did:
        match step.action:
            case AcceptProbeKey(key):
                return self._accept_probe_key(key)
            case PublishRelease(release):
                return self._publish(release)
            case HoldFleet(processes):
                self._cloud.suspend(processes)
                return Did()
            case FreeFleet(processes):
                self._cloud.resume(processes)
                return Did()
            case SetCurrent(release_id, before):
                self._cloud.put_object(CURRENT, current_document(release_id, before=before))
                return Did()
            case AskThroughLoadBalancer(model, timeout_s, chat):
                said = ask(
                    cloud=self._cloud,
                    http=self._http,
                    clock=self._clock,
                    model=model,
                    chat=chat,
                    timeout_s=timeout_s,
                    stopped=self._stopped,
                )
                return Did(f"{said.chunks} chunks streamed", answer=said.text, chunks=said.chunks)
            case action:
                raise TypeError(f"{type(action).__name__} needs a host")

    def _on_host(self, step: Step, host: Host, say: Say) -> Did:
        match step.action:
            case Run(command):
                self._shell.run(host, command)
                return Did()
            case UploadFiles(files, folder):
                return self._upload(host, files, folder)
            case WaitReady():
                return self._wait_ready(host, step.action, say)
            case WaitInTraffic() | BeginMaintenance() | LeaveTraffic() | EnterTraffic():
                return self._come_and_go(host, step.action, say)
            case SeedWeights():
                return self._seed(host, step.action, say)
            case action:
                command = self._command(action)
                if isinstance(action, ApplyRelease):
                    command = self._leases.renewed(host, command, say)
                report = follow(self._shell, host, command, say)
                return Did(phases=report.phases)

    def _come_and_go(
        self,
        host: Host,
        action: WaitInTraffic | BeginMaintenance | LeaveTraffic | EnterTraffic,
        say: Say,
    ) -> Did:
        traffic, stopped = self._traffic, self._stopped
        match action:
            case BeginMaintenance(_, _, others, wait_s):
                if others:
                    traffic.make_way(host, timeout_s=wait_s, stopped=stopped, others=others)
                self._leases.begin(host, action, say)
            case WaitInTraffic(timeout_s):
                traffic.wait(host, timeout_s=timeout_s, stopped=stopped)
            case LeaveTraffic(timeout_s, others):
                stays = partial(self._leases.give_up, host, say)
                traffic.leave(
                    host, timeout_s=timeout_s, stopped=stopped, others=others, stays=stays
                )
            case EnterTraffic(timeout_s):
                # Registered first: whoever dies in between leaves a lease that ends.
                traffic.enter(host)
                self._leases.end(host, say)
                traffic.wait(host, timeout_s=timeout_s, stopped=stopped)
        return Did()

    def _seed(self, host: Host, action: SeedWeights, say: Say) -> Did:
        """Lend the host keys for the bucket, new ones for as long as each hour brings files."""
        wasted = 0
        while True:
            try:
                report = follow(self._shell, host, self._command(action), say)
            except KeysExpired as error:
                # The first hour may have gone into the download; a second one without a file
                # is a file that can't make it, or a clock that is wrong.
                wasted = 0 if error.sent else wasted + 1
                if wasted > 1 or self._stopped():
                    raise
                say(f"the keys for the bucket ended after {error.sent} file(s): lending new ones")
            else:
                return Did(phases=report.phases)

    def _command(self, action: Action) -> Command:
        """How the host program is told to do *action*."""
        match action:
            case MirrorImages(release_id, images):
                program = host_program.program_of(release_id)
                document = mirror_document(self._cloud, release_id, images)
                return host_program.mirror(document, program=program)
            case SeedWeights():
                program = host_program.program_of(action.release_id)
                return host_program.seed_weights(self._seed_document(action), program=program)
            case AskFront(timeout_s, model, chat):
                key = key_to_ask_with(self._cloud)
                return host_program.ask(model, chat=chat, key=key, timeout_s=timeout_s)
            case _:
                return call_of(action)

    def _accept_probe_key(self, key: Secret) -> Did:
        outputs = self._cloud.outputs()
        known = self._cloud.get_secret(outputs.client_keys_secret)
        created = datetime.fromtimestamp(self._clock.now(), UTC).isoformat(timespec="seconds")
        text = probe_key.with_probe(
            known.reveal() if known else None, key.reveal(), created=created
        )
        # The key itself last: whoever finds it may count on the fronts knowing its hash.
        self._cloud.put_secret(outputs.client_keys_secret, Secret(text))
        self._cloud.put_secret(outputs.probe_key_secret, key)
        return Did()

    def _publish(self, release: Release) -> Did:
        folder = f"releases/{release.id}"
        others = [path for path in release.files if path != MANIFEST]
        with ThreadPoolExecutor(_PARALLEL_PUTS) as pool:
            list(
                pool.map(
                    lambda path: self._cloud.put_object(f"{folder}/{path}", release.files[path]),
                    others,
                )
            )
        # Last, because whoever finds the manifest may count on the rest.
        self._cloud.put_object(f"{folder}/{MANIFEST}", release.files[MANIFEST])
        return Did(f"{release.size_bytes / 1024:.0f} KiB")

    def _upload(self, host: Host, files: dict[str, bytes], folder: str) -> Did:
        begun = self._clock.monotonic()
        self._shell.upload(host, files, folder)
        return Did(phases={"upload": self._clock.monotonic() - begun})

    def _seed_document(self, action: SeedWeights) -> dict[str, Any]:
        token = self._cloud.get_secret(self._cloud.outputs().hub_token_secret)
        return {
            "repository": action.repository,
            "revision": action.revision,
            "folder": action.folder.removeprefix("weights/"),  # below it in bucket and cache alike
            "endpoint": action.endpoint,
            "hub_token": token.reveal() if token else None,
            "aws": _aws(self._cloud.publisher_keys(action.folder)),
        }

    def _wait_ready(self, host: Host, action: WaitReady, say: Say) -> Did:
        begun = self._clock.monotonic()
        command = host_program.wait(
            action.release_id, timeout_s=action.timeout_s, replica=action.replica
        )
        try:
            report = follow(self._shell, host, command, say)
        except HostError as error:
            if type(error) is not HostError:
                raise
            raise NotReady(
                host.name,
                error.message.removeprefix(f"{host.name}: "),
                waited_s=self._clock.monotonic() - begun,
                hint=error.hint or f"`fab logs --hosts {host.name}` shows what the engine said",
            ) from error
        waterfall = report.last.get("waterfall") or report.phases
        tokens = report.last.get("kv_cache_tokens")
        detail = f"{tokens:,} KV-cache tokens" if isinstance(tokens, int) else ""
        return Did(detail, phases={str(name): float(s) for name, s in dict(waterfall).items()})


def _aws(keys: TemporaryKeys) -> dict[str, Any]:
    return {
        "access_key_id": keys.access_key_id,
        "secret_access_key": keys.secret_access_key.reveal(),
        "session_token": keys.session_token.reveal(),
    }
