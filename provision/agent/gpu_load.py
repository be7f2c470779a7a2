"""How busy the GPUs are and how full their memory is, as ``nvidia-smi`` has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Optional

from provision.agent.system import NOT_FOUND, Run

_ASK = [
    "nvidia-smi",
    "--query-gpu=index,utilization.gpu,memory.used,memory.total",
    "--format=csv,noheader,nounits",
]
_ASK_S = 20.0  # without persistence mode the driver is set up for each call


@dataclass(frozen=True)
class GpuLoad:
    """One GPU. Both are percent; None where the driver does not say."""

    index: int
    utilisation: Optional[float]
    memory: Optional[float]


def look(run: Run) -> Optional[List[GpuLoad]]:
    """Each GPU's load; None on a host that has no ``nvidia-smi``, empty when it has no answer."""
    done = run(_ASK, timeout_s=_ASK_S)
    if done.code == NOT_FOUND:
        return None
    return parse(done.out) if done.ok else []


def parse(text: str) -> List[GpuLoad]:
    """The lines of the answer; what is no number there (``[N/A]``) is unknown."""
    found = []
    for line in text.splitlines():
        parts = [_number(part) for part in line.split(",")]
        if len(parts) == 4 and parts[0] is not None:
            used, total = parts[2], parts[3]
            memory = None if used is None or not total else 100 * used / total
            found.append(GpuLoad(int(parts[0]), parts[1], memory))
    return found


def _number(text: str) -> Optional[float]:
    try:
        return float(text)
    except ValueError:
        return None
