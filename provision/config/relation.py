"""What a relation between values is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from provision.config.environment import Environment
from provision.errors import Problem


@dataclass(frozen=True, slots=True)
class Relation:
    """A check that makes sense only where all of its ``fields`` do."""

    fields: tuple[str, ...]
    check: Callable[[Environment], Iterator[Problem]]
