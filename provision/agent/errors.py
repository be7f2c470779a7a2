"""What goes wrong on a host on purpose-built paths: a reason, a next step, the evidence."""

from __future__ import annotations

from typing import Sequence


class AgentError(Exception):
    """An expected failure. *reason* says what, *hint* the next thing to do, *log* the evidence."""

    def __init__(self, reason: str, *, hint: str = "", log: Sequence[str] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint
        self.log = tuple(log)


class DockerError(AgentError):
    """A docker or compose command failed or did not come back in time."""


class CloudUnreachable(AgentError):
    """AWS or the instance metadata service did not answer, or said no."""


class Busy(AgentError):
    """Another apply holds this host's lock."""


class Stopped(Exception):
    """SIGTERM or SIGINT arrived: undo what is half done and go."""
