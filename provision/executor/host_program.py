"""Running the host program: its events become progress, its last word a result or an error."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from provision.commands.command import Command, Result
from provision.commands.hints import hint as hint_for
from provision.connectors.protocols import Shell
from provision.errors import CommandFailed, HostError, KeysExpired
from provision.facts.inventory import Host

Say = Callable[[str], None]
_EVIDENCE_LINES = 20
_WORTH_A_LINE_S = 1.0
_KEYS_EXPIRED = "keys-expired"


@dataclass(slots=True)
class Report:
    """What the host program said: seconds per phase, its last event, lines that are no events."""

    phases: dict[str, float] = field(default_factory=dict)
    last: Mapping[str, Any] = field(default_factory=dict)
    failure: Mapping[str, Any] | None = None
    noise: deque[str] = field(default_factory=lambda: deque(maxlen=_EVIDENCE_LINES))

    def take(self, line: str) -> str:
        """Take one line of output; the text that a person may see of it, "" for none."""
        event = _event(line)
        if event is None:
            if line.strip():
                self.noise.append(line.rstrip())
            return ""
        self.last = event
        if event["event"] == "failed":
            self.failure = event
        if event["event"] == "phase" and event.get("state") == "done":
            self.phases[str(event.get("phase"))] = float(event.get("seconds") or 0.0)
        return describe(event)


def follow(shell: Shell, host: Host, command: Command, say: Say) -> Report:
    """Run *command* of the host program to its end.

    Raises HostError with its reason, hint and log when it says that it failed (KeysExpired when it
    needs new keys to go on), CommandFailed when it ended without a word.
    """
    report = Report()

    def on_line(line: str) -> None:
        text = report.take(line)
        if text:
            say(text)

    result = shell.stream(host, command, on_line)
    if report.failure is not None:
        raise _failure(host, report.failure)
    if not result:
        raise _silent(host, command, result, report)
    return report


def describe(event: Mapping[str, Any]) -> str:
    """An event in a few words, "" when it is for programs only."""
    name = str(event["event"])
    if name == "phase":
        return _phase(event)
    if name == "progress":
        return f"{event.get('phase', 'working')} {_share(event)}".strip()
    if name == "state":
        return ": ".join(filter(None, (str(event.get("state", "")), str(event.get("reason", "")))))
    if name in ("failed", "ready"):
        return ""  # the step's own end says it
    text = event.get("text") or event.get("message") or event.get("reason") or ""
    return f"{name.replace('-', ' ').replace('_', ' ')}{': ' if text else ''}{text}"


def _phase(event: Mapping[str, Any]) -> str:
    name, took = event.get("phase"), float(event.get("seconds") or 0.0)
    if event.get("state") != "done":
        return f"{name} ..."
    return f"{name} {took:.1f} s" if took >= _WORTH_A_LINE_S else ""


def _share(event: Mapping[str, Any]) -> str:
    done, total = event.get("done_bytes"), event.get("total_bytes")
    if not isinstance(done, int) or not isinstance(total, int) or not total:
        return ""
    size = f"{total / 2**30:.1f} GiB" if total >= 2**30 else f"{total / 2**20:.1f} MiB"
    return f"{100 * done / total:.0f} % of {size}"


def _event(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        document = json.loads(line)
    except ValueError:
        return None
    return document if isinstance(document, dict) and "event" in document else None


def _failure(host: Host, event: Mapping[str, Any]) -> HostError:
    log = [str(line) for line in event.get("log") or ()][-_EVIDENCE_LINES:]
    evidence = "".join(f"\n    | {line}" for line in log)
    reason = str(event.get("reason") or "the host program failed without a reason")
    text, hint = f"{reason}{evidence}", str(event.get("hint") or "")
    if event.get("code") == _KEYS_EXPIRED:
        return KeysExpired(host.name, text, sent=int(event.get("sent") or 0), hint=hint)
    return HostError(host.name, text, hint=hint)


def _silent(host: Host, command: Command, result: Result, report: Report) -> CommandFailed:
    text = result.tail() or "\n".join(report.noise)
    return CommandFailed(
        host.name,
        command.display(),
        exit_code=result.exit_code,
        stderr_tail=text,
        hint=hint_for(text) or "`fab doctor` looks for the cause; `fab logs` shows the host's logs",
    )
