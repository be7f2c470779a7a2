"""The gateway comes up: its image from a host, its tasks from ECS, its proof from a hosted API."""

from __future__ import annotations

from collections.abc import Callable

from provision.commands import host_program
from provision.connectors.gateway import GatewayService
from provision.connectors.protocols import Clock, Cloud, Http, Shell
from provision.errors import CloudError, FleetError, PlanError
from provision.executor.host_program import Say, follow
from provision.executor.images import mirror_document
from provision.executor.service import key_to_ask_with, problem, question
from provision.facts.gateway import GAVE_UP, ServiceNow, short
from provision.facts.inventory import Host
from provision.planning.actions import ImageSpec
from provision.planning.gateway_actions import AskGateway, BuildGateway, MoveGateway, WaitGateway

HOSTED = "hosted"
PROBE = {"x-llm-probe": "fallback"}  # the load balancer sends it to the gateway at any weights
POLL_S = 5.0
_EVENTS_SHOWN = 5


class GatewayWork:
    """Carries out the actions of :mod:`provision.planning.gateway_actions`."""

    def __init__(
        self,
        *,
        service: GatewayService | None,
        shell: Shell,
        http: Http,
        cloud: Cloud,
        clock: Clock,
        stopped: Callable[[], bool],
    ) -> None:
        self._service, self._shell, self._http = service, shell, http
        self._cloud, self._clock, self._stopped = cloud, clock, stopped

    def carry_out(
        self,
        host: Host | None,
        action: BuildGateway | MoveGateway | WaitGateway | AskGateway,
        say: Say,
    ) -> str:
        """Do *action*; what there is to tell of it. Raises FleetError when it fails."""
        match action:
            case BuildGateway():
                if host is None:
                    raise TypeError("an image is built on a host")
                return self._build(host, action, say)
            case MoveGateway():
                return self._move(action)
            case WaitGateway():
                return self._wait(action, say)
            case AskGateway():
                return self._ask(action)

    @property
    def _there(self) -> GatewayService:
        if self._service is None:
            raise FleetError(
                "this environment has no gateway", hint="docs/gateway.md: fallback.providers"
            )
        return self._service

    def _build(self, host: Host, action: BuildGateway, say: Say) -> str:
        self._shell.upload(host, action.files, host_program.build_folder(action.tag))
        image = ImageSpec(action.target, action.source, action.dockerfile)
        request = mirror_document(self._cloud, action.release_id, (image,), build=action.tag)
        program = host_program.program_of(action.release_id)
        follow(self._shell, host, host_program.mirror(request, program=program), say)
        return ""

    def _move(self, action: MoveGateway) -> str:
        runs = self._there.service().definition
        if runs != action.before:
            raise PlanError(
                f"the gateway shall run {short(runs)} by now, not {short(action.before)}",
                hint="somebody else deployed it meanwhile: run the same command again",
            )
        self._there.move(action.definition, action.tasks)
        return ""

    def _wait(self, action: WaitGateway, say: Say) -> str:
        begun, said, began = self._clock.monotonic(), "", False
        while True:
            now, healthy = self._there.service(), self._healthy()
            took = self._clock.monotonic() - begun
            if now.steady(action.definition, action.tasks) and healthy >= action.tasks:
                return f"after {took:.0f} s"
            progress = f"{now.running} of {action.tasks} task(s) run, {healthy} healthy"
            if progress != said:
                say(progress)
                said = progress
            # What ECS says right after a change may still be what it said before it.
            began |= now.definition == action.definition
            self._refuse_given_up(now, action, began=began)
            if self._stopped() or took >= action.timeout_s:
                raise self._failure(f"{progress} after {took:.0f} s", now)
            self._clock.sleep(POLL_S)

    def _refuse_given_up(self, now: ServiceNow, action: WaitGateway, *, began: bool) -> None:
        if began and now.definition != action.definition:
            back = f"ECS gave {short(action.definition)} up and went to {short(now.definition)}"
            raise self._failure(back, now)
        if began and now.rollout == GAVE_UP:
            raise self._failure(f"ECS gave {short(action.definition)} up: {now.reason}", now)

    def _failure(self, what: str, now: ServiceNow) -> FleetError:
        """With what ECS logged, and why tasks ended: the one rarely tells the other."""
        try:
            ended = self._there.stopped()
        except CloudError as error:
            ended = (f"unknown: {error.message}",)
        lines = [*reversed(now.events[:_EVENTS_SHOWN]), *(f"a task ended: {why}" for why in ended)]
        evidence = "".join(f"\n    | {line}" for line in lines)
        known = self._cloud.outputs().fallback
        group = known.gateway_log_group if known else "the gateway's log group"
        return FleetError(
            f"the gateway did not come up: {what}{evidence}",
            hint=f"`aws logs tail {group} --since 30m` shows what its containers said",
        )

    def _healthy(self) -> int:
        return sum(target.state == "healthy" for target in self._there.targets())

    def _ask(self, action: AskGateway) -> str:
        endpoint = self._cloud.outputs().endpoint
        url, body = question(endpoint, action.model, chat=action.chat, tokens=1)
        headers = {"Authorization": f"Bearer {key_to_ask_with(self._cloud).reveal()}", **PROBE}
        begun = self._clock.monotonic()
        while True:
            wrong = self._try(url, body, headers, action.timeout_s)
            took = self._clock.monotonic() - begun
            if not wrong:
                return f"after {took:.0f} s"
            if self._stopped() or took >= action.timeout_s:
                raise FleetError(
                    f"no hosted API gave a token through {url} within {took:.0f} s: {wrong}",
                    hint="docs/gateway.md says what each code means; its tasks run, and traffic"
                    " stays where it is",
                )
            self._clock.sleep(POLL_S)

    def _try(
        self, url: str, body: dict[str, object], headers: dict[str, str], timeout_s: float
    ) -> str:
        try:
            answer = self._http.post(url, body, headers=headers, timeout_s=timeout_s)
        except FleetError as error:
            return error.message
        return problem(answer, tier=HOSTED)
