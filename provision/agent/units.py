"""systemd units: installed when they changed, and never reloaded under a running engine.

`systemctl daemon-reload` takes the GPUs away from running containers, so the caller stops the
engine first when :func:`changed` names something.
"""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Sequence

from provision.agent.errors import AgentError
from provision.agent.paths import AGENT_UNIT, BOOT_UNIT, Paths
from provision.agent.system import Run, write_atomic

_COMMAND_S = 120.0


def changed(paths: Paths, folder: Path) -> Dict[str, bytes]:
    """The units of the release in *folder* that differ from the installed ones."""
    found = {}
    for unit in (BOOT_UNIT, AGENT_UNIT):
        source = next(iter(folder.rglob(unit)), None)
        if source is None:
            continue
        wanted, installed = source.read_bytes(), paths.units / unit
        if not installed.is_file() or installed.read_bytes() != wanted:
            found[unit] = wanted
    return found


def install(paths: Paths, run: Run, units: Dict[str, bytes]) -> None:
    """Write the units and have systemd read them. No engine may run."""
    for unit, content in units.items():
        write_atomic(paths.units / unit, content)
    if units:
        _systemctl(run, ["daemon-reload"])
        for unit in units:
            _systemctl(run, ["enable", unit])


def restart_agent(run: Run) -> None:
    """Start the agent anew, with the program and the settings that are in place now."""
    _systemctl(run, ["restart", AGENT_UNIT])


def _systemctl(run: Run, words: Sequence[str]) -> None:
    command: List[str] = ["systemctl", *words]
    done = run(command, timeout_s=_COMMAND_S)
    if not done.ok:
        raise AgentError(f"{' '.join(command)}: {done.err.strip() or f'exit {done.code}'}")
