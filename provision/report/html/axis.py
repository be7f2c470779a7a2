"""Logarithmic axes: where a value stands, and what is written beside it.

Positions are pixels and therefore floats; no money is computed here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

_UNITS = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "k"))
_ROUND = 1e-9
_FEW_DECADES = 2.5  # below that the powers of ten alone leave an axis bare


@dataclass(frozen=True, slots=True)
class LogAxis:
    """Values *low* to *high* (both above 0) spread over pixels *start* to *end*."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """The pixel of *value*; beyond the ends it stays at the end."""
        inside = min(max(value, self.low), self.high)
        share = math.log(inside / self.low) / math.log(self.high / self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def holds(self, value: float) -> bool:
        """Whether *value* stands between the ends."""
        return self.low * (1 - _ROUND) <= value <= self.high * (1 + _ROUND)

    def ticks(self) -> list[float]:
        """Round values to write beside the axis: powers of ten, and 2 and 5 where there is room."""
        decades = math.log10(self.high / self.low)
        steps = (1.0,) if decades > _FEW_DECADES else (1.0, 2.0, 5.0)
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        values = (step * 10.0**power for power in range(first, last + 1) for step in steps)
        return [value for value in values if self.holds(value)]


def short(value: float) -> str:
    """Three digits at most: ``950``, ``266k``, ``7.84M``."""
    for size, unit in _UNITS:
        if value >= size * 0.9995:
            scaled = value / size
            digits = 2 if scaled < 9.995 else 1 if scaled < 99.95 else 0
            plain = f"{scaled:.{digits}f}"
            return f"{plain.rstrip('0').rstrip('.') if digits else plain}{unit}"
    return f"{value:.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"
