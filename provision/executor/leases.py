"""Hosts that this run took away for a while: nobody stops an engine that may be back in traffic."""

from __future__ import annotations

from typing import Any

from provision.commands import host_program
from provision.connectors.protocols import Shell
from provision.errors import HostError
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

    def renew(self, host: Host, say: Say) -> None:
        """Renew the mark, if there is one. Raises HostError when it ended by itself meanwhile.

        That happens to a run that was held up for minutes, by S3 or by a laptop that slept. The
        host put itself back into the load balancer then.
        """
        if host.name not in self._begun:
            return
        action, since = self._begun[host.name]
        if self._mark(host, action, say) != since:
            raise HostError(
                host.name,
                f"its maintenance of {action.lease_s:.0f} s ended before its turn came: it may be"
                " in traffic again, and its engine was left alone",
                hint="run the same command again; was this machine asleep, or S3 away?",
            )

    def end(self, host: Host, say: Say) -> None:
        """The host is not away any more."""
        follow(self._shell, host, host_program.resume(), say)
        self._begun.pop(host.name, None)

    def _mark(self, host: Host, action: BeginMaintenance, say: Say) -> Any:
        return follow(self._shell, host, call_of(action), say).last.get("since")
