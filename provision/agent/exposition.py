"""The text form in which Prometheus reads numbers: pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Dict, Iterable, List, Optional, Tuple

Labels = Tuple[Tuple[str, str], ...]


@dataclass
class Family:
    """One metric: its name, what it is (``gauge`` or ``counter``), a sentence, and its samples."""

    name: str
    kind: str
    help: str
    samples: Dict[Labels, float] = field(default_factory=dict)

    def add(self, value: Optional[float], **labels: object) -> Family:
        """Another sample. What is unknown has none."""
        if value is not None:
            self.samples[tuple((name, str(said)) for name, said in labels.items())] = value
        return self


def text(families: Iterable[Family]) -> str:
    """The families that have samples."""
    lines: List[str] = []
    for one in families:
        if one.samples:
            lines += [f"# HELP {one.name} {_plain(one.help)}", f"# TYPE {one.name} {one.kind}"]
            lines += [f"{one.name}{_labels(key)} {_number(v)}" for key, v in one.samples.items()]
    return "".join(line + "\n" for line in lines)


def _labels(labels: Labels) -> str:
    said = ",".join(f'{name}="{_quoted(value)}"' for name, value in labels)
    return f"{{{said}}}" if said else ""


def _quoted(value: str) -> str:
    return _plain(value).replace('"', '\\"')


def _plain(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n")


def _number(value: float) -> str:
    """Exact, in the words that Prometheus has for what is no finite number."""
    if math.isfinite(value):
        return repr(int(value)) if value == int(value) else repr(float(value))
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
