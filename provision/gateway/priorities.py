"""Which keys go first when money gets short: as the key ring's file says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from provision.gateway.counter import Priority


class Priorities:
    """Names of keys -> priority. Reads the file again when it has changed."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._stamp: tuple[int, int] | None = None
        self._known: Mapping[str, Priority] = {}

    def of(self, name: str) -> Priority:
        """The priority of a key; high for one that nobody marked."""
        self._refresh()
        return self._known.get(name, Priority.HIGH)

    def _refresh(self) -> None:
        try:
            state = self._file.stat()
            stamp = (state.st_mtime_ns, state.st_ino)
            if stamp != self._stamp:
                self._known = parse(self._file.read_text(encoding="utf-8"))
                self._stamp = stamp
        except (OSError, LookupError, TypeError, ValueError, AttributeError):
            return  # what was known stays in force


def parse(text: str) -> dict[str, Priority]:
    """The marked keys of the document; a priority that nobody knows counts as none."""
    keys = json.loads(text)["keys"]
    known = {priority.value: priority for priority in Priority}
    marked = {name: known.get(entry.get("priority")) for name, entry in keys.items()}
    return {name: priority for name, priority in marked.items() if priority is not None}
