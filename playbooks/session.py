"""One environment and its doors, opened when first used and closed at the end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from playbooks.choice import choose
from provision.config.environment import Environment
from provision.errors import Refused

if TYPE_CHECKING:
    from provision.connectors.gateway import GatewayService
    from provision.connectors.protocols import Clock, Cloud, Http, Shell
    from provision.connectors.switchboard import Switchboard
    from provision.executor.locked import Work


@dataclass(slots=True)
class Session:
    """What a task works with. ``chosen`` says in words why it is this environment.

    ``work`` is set while the task holds the environment's lock (see playbooks/hold.py).

    A context manager: leaving it ends all connections.
    """

    environment: Environment
    chosen: str = ""
    _cloud: Cloud | None = None
    _shell: Shell | None = None
    _http: Http | None = None
    _clock: Clock | None = None
    work: Work | None = None
    folder: Path | None = None  # of the environment's file; None: of none
    _board: Switchboard | None = None
    _gateway: GatewayService | None = None

    @classmethod
    def open(cls, env: str | None) -> Session:
        """The environment named by *env*, ``LLM_FLEET_ENV`` or Pulumi's selected stack."""
        choice = choose(env)
        environment, chosen = choice.load(), f"{choice.name}, {choice.source}"
        return cls(environment, chosen=chosen, folder=choice.file().parent)

    @property
    def cloud(self) -> Cloud:
        """AWS."""
        if self._cloud is None:
            from provision.connectors.aws import AwsCloud

            self._cloud = AwsCloud(self.environment)
        return self._cloud

    @property
    def shell(self) -> Shell:
        """SSH to the hosts."""
        if self._shell is None:
            from provision.connectors.ssh import FabricShell

            at = self.environment
            self._shell = FabricShell(at.access, at.region, profile=at.aws.profile)
        return self._shell

    @property
    def http(self) -> Http:
        """The service itself."""
        if self._http is None:
            from provision.connectors.http import HttpxHttp

            self._http = HttpxHttp()
        return self._http

    @property
    def board(self) -> Switchboard:
        """The fallback's levers. Raises Refused where the environment has no fallback."""
        if not self.environment.fallback.exists:
            raise Refused(
                f"{self.environment.name} has no fallback",
                hint="name hosted APIs in fallback.providers, then `pulumi up`: docs/gateway.md",
            )
        if self._board is None:
            from provision.connectors.switchboard import AwsSwitchboard

            self._board = AwsSwitchboard(self.environment)
        return self._board

    @property
    def gateway(self) -> GatewayService | None:
        """The gateway's service; None where the environment has no fallback."""
        if self._gateway is None and self.environment.fallback.exists:
            from provision.connectors.gateway import AwsGateway

            self._gateway = AwsGateway(self.environment, self.cloud.outputs)
        return self._gateway

    @property
    def clock(self) -> Clock:
        """Time."""
        if self._clock is None:
            from provision.connectors.clock import SystemClock

            self._clock = SystemClock()
        return self._clock

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._shell is not None:
            self._shell.close()
