"""systemd unit files, as far as the rehearsal's init understands them.

What it does not understand is refused, so that a rehearsal never passes on a line that it skipped.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

# Said by real unit files, and without an effect in a rehearsal.
IGNORED = frozenset(
    {
        *("Description", "Documentation", "StandardOutput", "StandardError", "SyslogIdentifier"),
        *("LimitNOFILE", "LimitMEMLOCK", "LimitNPROC", "LimitCORE", "TasksMax", "Delegate"),
        *("OOMScoreAdjust", "Nice", "NotifyAccess", "NoNewPrivileges", "ProtectSystem"),
        *("ProtectHome", "PrivateTmp", "ReadWritePaths", "UMask", "Before", "Also", "Alias"),
        *("DefaultDependencies", "RuntimeDirectoryPreserve", "SuccessExitStatus"),
    }
)
KNOWN = frozenset(
    {
        *("After", "Requires", "Wants", "WantedBy", "ConditionPathExists", "Type", "User"),
        *("ExecStart", "ExecStartPre", "ExecStartPost", "ExecStop", "ExecReload"),
        *("Restart", "RestartSec", "StartLimitBurst", "StartLimitIntervalSec"),
        *("Environment", "EnvironmentFile", "WorkingDirectory", "RemainAfterExit"),
        *("TimeoutStartSec", "TimeoutStopSec", "TimeoutSec", "KillMode", "KillSignal"),
        *("RuntimeDirectory", "StateDirectory"),
    }
)
TYPES = ("simple", "exec", "notify", "oneshot")
RESTARTS = ("no", "always", "on-failure", "on-success", "on-abnormal")


class UnitError(Exception):
    """A unit file that can't be read, with the line that is wrong."""


@dataclass(frozen=True, slots=True)
class Line:
    """One command of a unit; ``may_fail`` is its ``-`` prefix."""

    text: str
    may_fail: bool = False

    def argv(self, environment: Mapping[str, str]) -> list[str]:
        """Words with variables put in: ``${X}`` as it is, a word ``$X`` split at its spaces."""
        words: list[str] = []
        for word in shlex.split(self.text):
            if match := re.fullmatch(r"\$(\w+)", word):
                words += environment.get(match[1], "").split()
            else:
                words.append(re.sub(r"\$\{(\w+)\}", lambda m: environment.get(m[1], ""), word))
        return words


@dataclass(frozen=True, slots=True)
class Unit:
    """A service, as its file says. Times are seconds."""

    name: str
    type: str = "simple"
    start: tuple[Line, ...] = ()
    start_pre: tuple[Line, ...] = ()
    start_post: tuple[Line, ...] = ()
    stop: tuple[Line, ...] = ()
    reload: tuple[Line, ...] = ()
    restart: str = "no"
    restart_s: float = 0.1
    environment: tuple[tuple[str, str], ...] = ()
    environment_files: tuple[str, ...] = ()
    working_directory: str = "/"
    remain_after_exit: bool = False
    timeout_start_s: float | None = 90.0
    timeout_stop_s: float | None = 90.0
    kill_mode: str = "control-group"
    kill_signal: str = "SIGTERM"
    directories: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    wants: tuple[str, ...] = ()
    wanted_by: tuple[str, ...] = ()
    start_limit_burst: int = 5
    start_limit_interval_s: float = 10.0
    conditions: tuple[str, ...] = ()


def parse(name: str, text: str) -> Unit:
    """Read a unit file. Raises UnitError for a line that the rehearsal's init does not know."""
    said = _directives(name, text)
    kind = _one(said, "Type", "simple")
    restart = _one(said, "Restart", "no")
    _refuse_unless(kind in TYPES, name, f"Type={kind}")
    _refuse_unless(restart in RESTARTS, name, f"Restart={restart}")
    _refuse_unless(_one(said, "User", "root") == "root", name, f"User={said.get('User')}")
    start = _lines(name, said, "ExecStart")
    _refuse_unless(bool(start), name, "a service without ExecStart=")
    _refuse_unless(kind == "oneshot" or len(start) == 1, name, f"{len(start)} ExecStart= lines")
    default_start = "infinity" if kind == "oneshot" else "90"
    both = _one(said, "TimeoutSec", "")
    return Unit(
        name=name,
        type=kind,
        start=start,
        start_pre=_lines(name, said, "ExecStartPre"),
        start_post=_lines(name, said, "ExecStartPost"),
        stop=_lines(name, said, "ExecStop"),
        reload=_lines(name, said, "ExecReload"),
        restart=restart,
        restart_s=seconds(_one(said, "RestartSec", "100ms")) or 0.0,
        environment=_variables(said),
        environment_files=tuple(said.get("EnvironmentFile", ())),
        working_directory=_one(said, "WorkingDirectory", "/"),
        remain_after_exit=_one(said, "RemainAfterExit", "no") in ("yes", "true", "1"),
        timeout_start_s=seconds(_one(said, "TimeoutStartSec", both or default_start)),
        timeout_stop_s=seconds(_one(said, "TimeoutStopSec", both or "90")),
        kill_mode=_one(said, "KillMode", "control-group"),
        kill_signal=_one(said, "KillSignal", "SIGTERM"),
        directories=_directories(said),
        after=_names(said, "After"),
        requires=_names(said, "Requires"),
        wants=_names(said, "Wants"),
        wanted_by=_names(said, "WantedBy"),
        start_limit_burst=int(_one(said, "StartLimitBurst", "5")),
        start_limit_interval_s=seconds(_one(said, "StartLimitIntervalSec", "10")) or 0.0,
        conditions=tuple(said.get("ConditionPathExists", ())),
    )


def seconds(text: str) -> float | None:
    """A systemd time span (``90``, ``1min 30s``, ``500ms``) in seconds; infinity is None."""
    if text.strip() in ("infinity", "0"):
        return None
    unit_s = {"": 1, "s": 1, "sec": 1, "ms": 0.001, "m": 60, "min": 60, "h": 3600, "hour": 3600}
    total = 0.0
    for number, unit in re.findall(r"([\d.]+)\s*([a-z]*)", text):
        if unit not in unit_s:
            raise UnitError(f"time span {text!r} is not understood")
        total += float(number) * unit_s[unit]
    return total


def _directives(name: str, text: str) -> dict[str, list[str]]:
    said: dict[str, list[str]] = {}
    for raw in text.replace("\\\n", " ").splitlines():
        line = raw.strip()
        if not line or line[0] in "#;[":
            continue
        key, equals, value = (part.strip() for part in line.partition("="))
        _refuse_unless(bool(equals) and key in KNOWN | IGNORED, name, line)
        value = value.replace("%n", name).replace("%%", "%") if "%" in value else value
        if value:
            said.setdefault(key, []).append(value)
        else:
            said.pop(key, None)
    return said


def _refuse_unless(fine: bool, name: str, line: object) -> None:
    if not fine:
        raise UnitError(f"{name}: not understood in a rehearsal: {line}")


def _one(said: Mapping[str, list[str]], key: str, default: str) -> str:
    return said[key][-1] if key in said else default


def _names(said: Mapping[str, list[str]], key: str) -> tuple[str, ...]:
    return tuple(word for value in said.get(key, ()) for word in value.split())


def _lines(name: str, said: Mapping[str, list[str]], key: str) -> tuple[Line, ...]:
    lines = []
    for value in said.get(key, ()):
        _refuse_unless(value[0] not in "@+!:|", name, f"{key}={value}")
        lines.append(Line(value.removeprefix("-").strip(), may_fail=value.startswith("-")))
    return tuple(lines)


def _variables(said: Mapping[str, list[str]]) -> tuple[tuple[str, str], ...]:
    words = (word for value in said.get("Environment", ()) for word in shlex.split(value))
    pairs = (word.partition("=") for word in words)
    return tuple((key, value) for key, _, value in pairs)


def _directories(said: Mapping[str, list[str]]) -> tuple[str, ...]:
    run = tuple(f"/run/{name}" for name in _names(said, "RuntimeDirectory"))
    return run + tuple(f"/var/lib/{name}" for name in _names(said, "StateDirectory"))
