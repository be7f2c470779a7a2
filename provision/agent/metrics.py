"""What an engine says of itself in ``/metrics``, as far as the agent needs it: pure."""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Dict, List, Mapping, Optional, Tuple

_FIRST_TOKENS = "vllm:time_to_first_token_seconds"
_SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Served:
    """Counters since the engine's start.

    ``answered`` and ``failed`` are questions that ended in HTTP 2xx and 5xx; the engine does not
    tell 503 from other 5xx, but counts what a full queue ``refused`` (a question with several
    prompts more than once). ``broken`` are generations that ended in an error, whatever the status.
    """

    answered: float = 0.0
    failed: float = 0.0
    refused: float = 0.0
    broken: float = 0.0
    first_tokens: float = 0.0
    first_tokens_s: float = 0.0

    @staticmethod
    def parse(document: Mapping[str, Any]) -> Served:
        """What :meth:`to_json` made."""
        return Served(**{field.name: float(document[field.name]) for field in fields(Served)})

    def to_json(self) -> Dict[str, float]:
        """As it stands in the status document."""
        return asdict(self)

    def since(self, before: Served) -> Served:
        """What came after *before*."""
        return _by_field(self, before, -1.0)

    def plus(self, other: Served) -> Served:
        """Both together."""
        return _by_field(self, other, 1.0)

    @property
    def errors(self) -> int:
        """Questions that the engine failed to answer; a full queue is no error.

        An error in a whole answer is in ``failed`` and in ``broken``, so not their sum. A client
        that hangs up is in neither.
        """
        return int(max(self.failed - self.refused, self.broken, 0.0))

    def settled(self) -> Served:
        """With errors told from refusals, so that those of several engines add up."""
        return replace(self, failed=float(self.errors), refused=0.0, broken=0.0)

    @property
    def mean_first_token_s(self) -> Optional[float]:
        """From a question's arrival to its first token, on average; None without any."""
        return self.first_tokens_s / self.first_tokens if self.first_tokens > 0 else None


@dataclass(frozen=True)
class Metrics:
    """What the engine says of itself; None when it did not say. ``steps`` only grows.

    ``first_tokens`` are its histogram: so many took at most so many seconds.
    """

    running: Optional[int] = None
    waiting: Optional[int] = None
    kv_usage: Optional[float] = None
    steps: Optional[float] = None
    served: Optional[Served] = None
    first_tokens: Tuple[Tuple[float, float], ...] = ()


def parse_metrics(text: str) -> Metrics:
    """Sum each of the numbers over the engine cores that report it."""
    sums: Dict[str, float] = {}
    for line in text.splitlines():
        match = _SAMPLE.match(line)
        name = _name(match.group(1), match.group(2) or "") if match else None
        if match and name:
            sums[name] = sums.get(name, 0.0) + float(match.group(3))
    return Metrics(
        running=_whole(sums.get("vllm:num_requests_running")),
        waiting=_whole(sums.get("vllm:num_requests_waiting")),
        kv_usage=sums.get("vllm:kv_cache_usage_perc"),
        steps=sums.get("vllm:iteration_tokens_total_count"),
        served=_served(sums),
        first_tokens=_first_tokens(sums),
    )


def first_tokens_since(before: Metrics, now: Metrics) -> List[Tuple[float, int]]:
    """How many first tokens came meanwhile, by the seconds that they took at most.

    Those that were later than the last bound count as that late. Nothing when the engine started
    anew in between.
    """
    was = dict(before.first_tokens)
    longest = max((bound for bound, _ in now.first_tokens if math.isfinite(bound)), default=0.0)
    found: List[Tuple[float, int]] = []
    less = 0.0
    for bound, count in now.first_tokens if was else ():
        more = count - was.get(bound, 0.0)
        if more < less:
            return []
        if more > less:
            found.append((min(bound, longest), int(more - less)))
        less = more
    return found


def _name(name: str, labels: str) -> Optional[str]:
    """Under which name a sample is summed up, None for one that nobody needs."""
    if name == f"{_FIRST_TOKENS}_bucket":
        return f"{name} {dict(_LABEL.findall(labels)).get('le')}"
    if name.startswith("vllm:request_success_total"):
        return f"{name} {dict(_LABEL.findall(labels)).get('finished_reason')}"
    if name == "http_requests_total":
        said = dict(_LABEL.findall(labels))
        return f"{name} {said.get('status')}" if said.get("method") == "POST" else None
    return name if name.startswith("vllm:") else None


def _served(sums: Mapping[str, float]) -> Optional[Served]:
    """None for an engine that does not count first tokens: all engines that run do."""
    if f"{_FIRST_TOKENS}_count" not in sums:
        return None
    return Served(
        answered=sums.get("http_requests_total 2xx", 0.0),
        failed=sums.get("http_requests_total 5xx", 0.0),
        refused=sums.get("vllm:admission_rejections_total", 0.0),
        broken=sums.get("vllm:request_success_total error", 0.0),
        first_tokens=sums[f"{_FIRST_TOKENS}_count"],
        first_tokens_s=sums.get(f"{_FIRST_TOKENS}_sum", 0.0),
    )


def _first_tokens(sums: Mapping[str, float]) -> Tuple[Tuple[float, float], ...]:
    """float() reads the ``+Inf`` of the last one."""
    head = f"{_FIRST_TOKENS}_bucket "
    found = [(float(name[len(head) :]), n) for name, n in sums.items() if name.startswith(head)]
    return tuple(sorted(found))


def _by_field(one: Served, other: Served, sign: float) -> Served:
    names: Tuple[str, ...] = tuple(field.name for field in fields(Served))
    return Served(**{name: getattr(one, name) + sign * getattr(other, name) for name in names})


def _whole(value: Optional[float]) -> Optional[int]:
    return None if value is None or math.isnan(value) else int(value)
