"""Hosts that this run took away for a while: nobody stops an engine that may be back in traffic."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from provision.commands import host_program
from provision.commands.command import Command
from provision.connectors.protocols import Shell
from provision.errors import FleetError, HostError
from provision.executor.calls import call_of
from provision.executor.host_program import Say, follow
from provision.facts.inventory import Host
from provision.planning.actions import BeginMaintenance


class Leases:
    """The maintenance marks of one run. Each is one thread's at a time."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._begun: dict[str, tuple[BeginMaintenance, Any]] = {}

    def begin(self, host: Host, action: BeginMaintenance, say: Say) -> None:
        """Mark *host* as away; the host remembers since when."""
        self._begun[host.name] = (action, self._mark(host, action, say))

    def renewed(self, host: Host, apply: Command, say: Say) -> Command:
        """Renew the mark, if there is one; *apply* as it is told to a host with that mark only.

        Raises HostError when the mark ended by itself meanwhile, which happens to a run that was
        held up for minutes, by S3 or by a laptop that slept: the host put itself back into the load
        balancer then. The host looks once more, for from here to there takes time as well.
        """
        if host.name not in self._begun:
            return apply
        action, since = self._begun[host.name]
        if self._mark(host, action, say) != since:
            raise HostError(
                host.name,
                f"its maintenance of {action.lease_s:.0f} s ended before its turn came: it may be"
                " in traffic again, and its engine was left alone",
                hint="run the same command again; was this machine asleep, or S3 away?",
            )
        return apply if since is None else host_program.while_away(apply, since)

    def end(self, host: Host, say: Say) -> None:
        """The host is not away any more."""
        follow(self._shell, host, host_program.resume(), say)
        self._begun.pop(host.name, None)

    def give_up(self, host: Host, say: Say) -> None:
        """The host stays where it is; when it can't be told, its mark ends by itself."""
        with suppress(FleetError):
            self.end(host, say)

    def _mark(self, host: Host, action: BeginMaintenance, say: Say) -> Any:
        return follow(self._shell, host, call_of(action), say).last.get("since")
