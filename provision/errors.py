"""Every error that llm-fleet raises on purpose. Anything else is a bug and keeps its traceback.

    FleetError
      ConfigError            .problems: all of them at once, each with its dotted path   exit 2
      CatalogError           unknown model, instance type or region                      exit 2
      UsageError             wrong flags                                                 exit 2
      Refused                a guard said no; nothing was changed                        exit 3
        SizingError          the model does not fit: needs / has / nearest that fits
        LockHeld             somebody else works on the environment
      PlanError              a plan that can't be made or no longer matches reality      exit 1
        LockLost             the lock is somebody else's now: this run must stop
      HostError              .host                                                       exit 1
        CommandFailed        .command (masked), .result
        HostUnreachable
        HostKeyMismatch
        NotReady             .waited_s, .last_log
        KeysExpired          .sent: lent keys ended in the middle of an upload
      CloudError             an AWS call failed: the call, the resource, the next step   exit 1
        OutputsMissing       "run pulumi up first"
        Conflict             somebody else wrote the object meanwhile
      Interrupted            Ctrl-C: what was done and what was not                      exit 1

An error says what happened, where, and the next thing to do (``hint``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_REFUSED = 3


class FleetError(Exception):
    """Root of all expected errors: a message, and a hint that names the next thing to do."""

    exit_code = EXIT_FAILED

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  next: {self.hint}" if self.hint else self.message


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a configuration, at a dotted *path* such as ``fleet.instance_type``."""

    path: str
    message: str
    hint: str = ""


class ConfigError(FleetError):
    """A configuration that can't be used. Holds every problem, not only the first."""

    exit_code = EXIT_USAGE

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        self.source = source
        self.problems = tuple(problems)
        lines = [f"{source}: {len(self.problems)} problem(s)"]
        for problem in self.problems:
            hint = f"  ({problem.hint})" if problem.hint else ""
            lines.append(f"  {problem.path}: {problem.message}{hint}")
        super().__init__("\n".join(lines))


class CatalogError(FleetError):
    """A name that the catalogue does not know. An unknown price is NOT an error: it is None."""

    exit_code = EXIT_USAGE


class UsageError(FleetError):
    """Flags that make no sense together."""

    exit_code = EXIT_USAGE


class Refused(FleetError):
    """A guard said no before anything changed."""

    exit_code = EXIT_REFUSED


class TooFewServe(Refused):
    """Too few of our own hosts would serve meanwhile; a fallback could carry the traffic."""


class SizingError(Refused):
    """The model does not fit: what it needs, what there is, and the nearest that fits."""


class LockHeld(Refused):
    """Somebody else works on the environment: who, on what, since when, until when."""


class PlanError(FleetError):
    """A plan that can't be made, or that no longer matches what is there."""


class LockLost(PlanError):
    """The environment's lock is somebody else's now, or nobody knows: no further step may begin."""


class HostError(FleetError):
    """Something went wrong on one host."""

    def __init__(self, host: str, message: str, *, hint: str = "") -> None:
        super().__init__(f"{host}: {message}", hint=hint)
        self.host = host


class CommandFailed(HostError):
    """A command on a host ended with an error.

    *command* is already masked; *stderr_tail* holds its last lines.
    """

    def __init__(
        self, host: str, command: str, *, exit_code: int, stderr_tail: str, hint: str = ""
    ) -> None:
        detail = f"\n{_indent(stderr_tail)}" if stderr_tail.strip() else ""
        super().__init__(host, f"exit {exit_code} from: {command}{detail}", hint=hint)
        self.command = command
        self.command_exit_code = exit_code
        self.stderr_tail = stderr_tail


class HostUnreachable(HostError):
    """No SSH connection to the host."""


class HostKeyMismatch(HostError):
    """The host showed another key than the one it published, or published none."""


class NotReady(HostError):
    """The host did not become ready in time, or said that it never will."""

    def __init__(
        self, host: str, message: str, *, waited_s: float, last_log: Sequence[str] = (), hint: str
    ) -> None:
        log = f"\n{_indent(chr(10).join(last_log))}" if last_log else ""
        super().__init__(host, f"{message} (waited {waited_s:.0f} s){log}", hint=hint)
        self.waited_s = waited_s
        self.last_log = tuple(last_log)


class KeysExpired(HostError):
    """Keys that a host was lent ended before its work did; *sent* files had arrived by then."""

    def __init__(self, host: str, message: str, *, sent: int, hint: str = "") -> None:
        super().__init__(host, message, hint=hint)
        self.sent = sent


class CloudError(FleetError):
    """An AWS call failed."""


class OutputsMissing(CloudError):
    """The environment has no outputs in SSM: it was never provisioned."""


class Conflict(CloudError):
    """A conditional write found another version than the one it was made from."""


class Interrupted(FleetError):
    """The operator pressed Ctrl-C."""


def _indent(text: str) -> str:
    return "\n".join(f"    | {line}" for line in text.rstrip().splitlines())
