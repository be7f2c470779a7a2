"""The farewell, carried out: ask the metadata service, do the next thing, remember how far."""

from __future__ import annotations

from dataclasses import asdict
from typing import Callable, Dict, Optional

from provision.agent.containers import Containers
from provision.agent.drain import Look, drain
from provision.agent.errors import AgentError, Busy
from provision.agent.farewell import (
    Act,
    Farewell,
    done,
    empty_for_s,
    grace_s,
    next_act,
    notice,
)
from provision.agent.host import Host
from provision.agent.lock import held
from provision.agent.maintenance import Mark
from provision.agent.manifest import read
from provision.agent.paths import Paths
from provision.agent.system import read_json, write_json

POLL_S = 5.0
_QUIET_S = 2.0
_HEARTBEAT_S = 300.0  # of a host whose host.json says nothing of a hook
_GRACE_S = 30.0

SPOT_ITEM = "spot/instance-action"
TARGET_ITEM = "autoscaling/target-lifecycle-state"
REBALANCE_ITEM = "events/recommendations/rebalance"


def leaving(paths: Paths) -> Optional[Farewell]:
    """The farewell that is on disk, None when AWS has not asked for this host."""
    try:
        return Farewell(**read_json(paths.farewell))
    except (AgentError, TypeError, OSError):
        return None


def refuse(paths: Paths, now: float) -> None:
    """Raise AgentError on a host that is leaving: what an operator wants of it has no point."""
    farewell = leaving(paths)
    if farewell is not None:
        raise AgentError(
            f"this host is {farewell.words(now)}",
            hint="nothing to do: the group brings another one, which takes the current release",
        )


class Leaving:
    """Says good-bye when AWS takes the host away. Only one thread may call :meth:`turn`."""

    def __init__(self, host: Host, look: Look) -> None:
        self._host, self._look = host, look
        self.farewell = leaving(host.paths)
        self.rebalance: Optional[str] = None
        self._said = ""
        self._acts: Dict[Act, Callable[[Farewell], bool]] = {
            Act.LEAVE_TRAFFIC: self._leave_traffic,
            Act.EMPTY: self._empty,
            Act.STOP: self._stop,
            Act.TELL: self._tell,
        }

    def mark(self, now: float) -> Optional[Mark]:
        """The farewell as a maintenance that nobody can end."""
        farewell = self.farewell
        if farewell is None:
            return None
        return Mark(farewell.since, farewell.until, farewell.words(now))

    def turn(self) -> float:
        """Look for a notice, do what is next; the seconds after which to come again."""
        self._read()
        farewell = self.farewell
        if farewell is None:
            return POLL_S
        act = next_act(farewell, self._host.clock.now())
        carry_out = self._acts.get(act)
        if carry_out is None:
            return 1.0 if act is Act.SETTLE else POLL_S
        try:
            if carry_out(farewell):
                self._keep(done(farewell, act, self._host.clock.now()))
                self._host.events.emit("leaving", did=act.value)
                return 0.0
        except AgentError as error:
            self._say_once(f"can't {act.value}: {error.reason}", hint=error.hint)
        return 1.0 if act in (Act.LEAVE_TRAFFIC, Act.EMPTY) else POLL_S

    def _read(self) -> None:
        """Where the metadata service is silent, nothing happens, and nothing is taken back."""
        metadata, now = self._host.metadata, self._host.clock.now()
        try:
            spot = metadata.item(SPOT_ITEM)
            target = metadata.item(TARGET_ITEM)
            rebalance = metadata.item(REBALANCE_ITEM)
        except AgentError:
            return
        if rebalance is not None and rebalance != self.rebalance:
            self._host.events.emit("rebalance-recommended", notice=rebalance)
        self.rebalance = rebalance
        hook = self._host.settings.hook
        farewell = notice(
            self.farewell,
            spot=spot,
            target=target,
            heartbeat_s=hook.heartbeat_s if hook else _HEARTBEAT_S,
            now=now,
        )
        if farewell is not None and farewell != self.farewell:
            self._keep(farewell)
            self._host.events.emit("leaving", reason=farewell.words(now), until=farewell.until)

    def _leave_traffic(self, _: Farewell) -> bool:
        self._host.cloud.leave_traffic(self._host.metadata.identity().instance_id)
        return True

    def _empty(self, farewell: Farewell) -> bool:
        """In slices, so that a notice that comes meanwhile is heard."""
        left_s = empty_for_s(farewell, self._host.clock.now())
        try:
            drain(
                self._look,
                quiet_s=_QUIET_S,
                timeout_s=min(POLL_S, left_s),
                clock=self._host.clock,
                events=self._host.events,
            )
        except AgentError:
            return False  # something runs still
        return True

    def _stop(self, farewell: Farewell) -> bool:
        host = self._host
        containers = Containers(host.paths, host.docker, host.clock, host.events)
        grace = grace_s(farewell, self._wanted_grace_s(), host.clock.now())
        try:
            with held(host.paths.lock, host.clock, host.events, wait_s=0.0):
                containers.stop(grace)
        except Busy:  # an apply of before: it starts engines that get no traffic
            return False
        return True

    def _tell(self, _: Farewell) -> bool:
        """False while the group does not wait yet: its word on the target comes first."""
        hook = self._host.settings.hook
        if hook is None:
            return True  # it ends the host by itself when the hook's time is over
        identity = self._host.metadata.identity()
        return self._host.cloud.complete_lifecycle(hook.group, hook.name, identity.instance_id)

    def _wanted_grace_s(self) -> float:
        release = self._host.paths.current_release()
        try:
            return read(self._host.paths.release(release)).compose_grace_s if release else _GRACE_S
        except AgentError:
            return _GRACE_S

    def _keep(self, farewell: Farewell) -> None:
        write_json(self._host.paths.farewell, asdict(farewell))
        self.farewell = farewell

    def _say_once(self, reason: str, *, hint: str) -> None:
        if reason != self._said:
            self._said = reason
            self._host.events.emit("trouble", reason=reason, hint=hint)
