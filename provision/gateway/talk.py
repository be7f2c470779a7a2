"""What supervisor and worker say to each other, and the files in the folder that they share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

READY = "ready"
REPLACE = "replace"

KEYS_FILE = "keys.json"  # hashes of client keys: the key ring's copy
KEY_SOCKET = "agent.sock"  # where the front asks for keys, as on a host
HOP_FILE = "hop.conf"  # the hop secret as nginx's header line

HOLD_MARGIN_S = 120  # a reservation outlives the longest answer, and the word about its end


@dataclass(frozen=True, slots=True)
class Brief:
    """What the supervisor says on standard input."""

    hop: str
    keys: Mapping[str, str]
    missing: tuple[str, ...]

    @staticmethod
    def parse(text: str) -> Brief:
        """Read it."""
        said = json.loads(text)
        return Brief(said["hop"], said["keys"], tuple(said["missing"]))

    def text(self) -> str:
        """As it is written."""
        return json.dumps({"hop": self.hop, "keys": self.keys, "missing": self.missing})
