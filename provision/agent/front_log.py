"""What the front says of a request that it answered, a datagram each: pure.

nginx writes them in syslog's form, which is a head and then our JSON object.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Optional

ANSWERING = ("primary", "hosted", "stale")
TIERS = (*ANSWERING, "none")
_PLAIN = re.compile(r"^[a-z_-]{1,24}$")
_OTHER = "other"


@dataclass(frozen=True)
class Answer:
    """One answer: who gave it, with which status, and why it was passed on (empty: it was not).

    A *probe* asks how things are; it is nobody's request.
    """

    tier: str
    status: int
    spill: str = ""
    probe: bool = False

    @property
    def good(self) -> bool:
        """Somebody was answered, and not with an error."""
        return self.status < 400

    @property
    def failed(self) -> bool:
        """An error that is ours, not the client's."""
        return self.status >= 500


def parse(datagram: bytes) -> Optional[Answer]:
    """Read a datagram, None when it is not the front's."""
    text = datagram.decode("utf-8", "replace")
    try:
        said = json.loads(text[text.index("{") :])
        status, tier, spill = int(said["status"]), str(said["tier"]), str(said["spill"])
        probe = bool(said["probe"])
    except (ValueError, KeyError, TypeError):
        return None
    if not 100 <= status <= 599:
        return None
    return Answer(
        tier=tier if tier in TIERS else _OTHER,
        status=status,
        spill=spill if not spill or _PLAIN.match(spill) else _OTHER,
        probe=probe,
    )
