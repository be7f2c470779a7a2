"""What vLLM's start-up log says: the seconds of each part, the KV cache, why it gave up."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Dict, Iterable, List, Optional, Pattern, Sequence

_NUMBER = r"([\d,]+(?:\.\d+)?)"
_KV_TOKENS = re.compile(rf"KV cache size: {_NUMBER} tokens")
_LOAD = re.compile(rf"Loading weights took {_NUMBER} seconds")
_COMPILE = re.compile(rf"torch\.compile took {_NUMBER} s in total")
_COMPILE_IN_INIT = re.compile(rf"init engine .* took .*\(compilation: {_NUMBER} s")
_GRAPHS = re.compile(rf"Graph capturing finished in {_NUMBER} secs")
_INIT = re.compile(rf"init engine \(.*?\) took {_NUMBER} s")
_TROUBLE = re.compile(
    r"\bERROR\b|\bCRITICAL\b|Traceback|Error:|error:|out of memory|No available memory", re.I
)
_HARMLESS = re.compile(r"\b(?:DEBUG|INFO|WARNING) \d\d-\d\d ")


@dataclass(frozen=True)
class StartUp:
    """The parts of one start in seconds, None for what the log does not hold."""

    load_s: Optional[float] = None
    compile_s: Optional[float] = None
    graphs_s: Optional[float] = None
    init_s: Optional[float] = None
    kv_cache_tokens: Optional[int] = None

    def parts(self, healthy_s: Optional[float]) -> Dict[str, float]:
        """Seconds by part; together they are *healthy_s*, the whole start, when it is known."""
        parts = {"load": self.load_s, "compile": self.compile_s, "graphs": self.graphs_s}
        known = {name: seconds for name, seconds in parts.items() if seconds is not None}
        if healthy_s is None:
            return known
        rest = max(0.0, healthy_s - sum(known.values()))
        return {**known, "engine_other": round(rest, 3)}


def parse(lines: Iterable[str]) -> StartUp:
    """Read the lines of the last start; with several workers, the slowest counts."""
    text = list(lines)
    tokens = _slowest(text, _KV_TOKENS)
    compiled = _slowest(text, _COMPILE)
    return StartUp(
        load_s=_slowest(text, _LOAD),
        compile_s=compiled if compiled is not None else _slowest(text, _COMPILE_IN_INIT),
        graphs_s=_slowest(text, _GRAPHS),
        init_s=_slowest(text, _INIT),
        kv_cache_tokens=None if tokens is None else int(tokens),
    )


def trouble(lines: Sequence[str], *, limit: int = 20) -> List[str]:
    """The last lines that speak of an error, with what follows them; else the last lines of all.

    Python says what was wrong in the lines below the one that names the error.
    """
    kept: List[str] = []
    keeping = False
    for line in lines:
        harmless = bool(_HARMLESS.search(line))
        keeping = not harmless and (keeping or bool(_TROUBLE.search(line)))
        if keeping:
            kept.append(line)
    return (kept or list(lines))[-limit:]


def _slowest(lines: Sequence[str], pattern: Pattern[str]) -> Optional[float]:
    found = [pattern.search(line) for line in lines]
    numbers = [float(match.group(1).replace(",", "")) for match in found if match]
    return max(numbers) if numbers else None
