"""Traffic moves because the switch moves it: what was wished is written, and then waited for."""

from __future__ import annotations

from collections.abc import Callable

from provision.connectors.protocols import Clock, Cloud
from provision.connectors.switchboard import Switchboard
from provision.errors import FleetError
from provision.executor.host_program import Say
from provision.planning.levers import Linger, PutWish, WaitShare

POLL_S = 2.0


class Levers:
    """Carries out the actions of :mod:`provision.planning.levers`."""

    def __init__(
        self,
        *,
        board: Switchboard | None,
        cloud: Cloud,
        clock: Clock,
        stopped: Callable[[], bool],
    ) -> None:
        self._board, self._cloud, self._clock = board, cloud, clock
        self._stopped = stopped

    def pull(self, action: PutWish | WaitShare | Linger, say: Say) -> str:
        """Do *action*; what there is to tell of it. Raises FleetError when it fails."""
        match action:
            case PutWish(wish):
                self._there.put_wish(wish.to_json())
                return self._nudge()
            case WaitShare(percent, timeout_s):
                return self._wait(percent, timeout_s, say)
            case Linger(seconds):
                self._linger(seconds)
                return ""

    @property
    def _there(self) -> Switchboard:
        if self._board is None:
            raise FleetError(
                "this environment has no fallback", hint="docs/gateway.md: fallback.providers"
            )
        return self._board

    def _nudge(self) -> str:
        """Let the switch look at once; it would within a minute anyway."""
        look = self._there.look(dry=False)
        return f"the switch says: {look.line['reason']}" if look.line else look.error

    def _wait(self, percent: int, timeout_s: float, say: Say) -> str:
        begun, said = self._clock.monotonic(), -1
        while True:
            share = self._cloud.primary_weight()
            took = self._clock.monotonic() - begun
            if share == percent:
                return f"after {took:.0f} s"
            if share is not None and share != said:
                say(f"our own hosts get {share} %")
                said = share
            if self._stopped() or took >= timeout_s:
                shown = "an unknown share" if share is None else f"{share} %"
                raise FleetError(
                    f"our own hosts get {shown} of the traffic after {took:.0f} s, not {percent} %",
                    hint="`fab fallback.status` shows what the switch thinks, and what comes next",
                )
            self._clock.sleep(POLL_S)

    def _linger(self, seconds: float) -> None:
        until = self._clock.monotonic() + seconds
        while not self._stopped() and (left := until - self._clock.monotonic()) > 0:
            self._clock.sleep(min(POLL_S, left))
