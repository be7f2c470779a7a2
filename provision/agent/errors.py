"""What goes wrong on a host on purpose-built paths: a reason, a next step, the evidence."""

from __future__ import annotations

from typing import Any, Mapping, Sequence


class AgentError(Exception):
    """An expected failure. *reason* says what, *hint* the next thing to do, *log* the evidence."""

    def __init__(self, reason: str, *, hint: str = "", log: Sequence[str] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint
        self.log = tuple(log)

    def more(self) -> Mapping[str, Any]:
        """What the ``failed`` event says beside it, for programs."""
        return {}


class DockerError(AgentError):
    """A docker or compose command failed or did not come back in time."""


class CloudUnreachable(AgentError):
    """AWS or the instance metadata service did not answer, or said no."""


class KeysExpired(CloudUnreachable):
    """Keys that an operator lent for an hour have ended; *sent* files had arrived by then."""

    sent = 0

    def more(self) -> Mapping[str, Any]:
        """The operator's side lends new ones when it reads this."""
        return {"code": "keys-expired", "sent": self.sent}


class Busy(AgentError):
    """Another apply holds this host's lock."""


class Stopped(Exception):
    """SIGTERM or SIGINT arrived: undo what is half done and go."""
