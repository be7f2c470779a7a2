"""Client keys: hashes from Secrets Manager to memory-backed storage, and the answer for the front.

The last good copy stays in force while Secrets Manager can't be reached.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Protocol

from provision.agent.errors import AgentError
from provision.agent.system import read_json, write_json

_SCHEME = "bearer "


class Secrets(Protocol):
    """Where secrets are. Raises AgentError when it can't be reached."""

    def secret(self, name: str) -> Optional[str]:
        """A secret's text, None when it has none."""


class KeyRing:
    """The keys of this moment. Safe to read from many threads: the mapping is replaced whole."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._keys: Optional[Dict[str, Any]] = _load(file)
        self.synced_at: Optional[float] = None
        self.problem: str = ""

    @property
    def loaded(self) -> bool:
        """There is a good copy, from now or from before."""
        return self._keys is not None

    @property
    def count(self) -> int:
        """How many keys there are."""
        return len(self._keys or {})

    def sync(self, cloud: Secrets, secret: str, now: float) -> None:
        """Fetch the keys; on any trouble keep the ones there are and say why in ``problem``."""
        try:
            keys = parse(cloud.secret(secret))
        except AgentError as error:
            self.problem = error.reason
            return
        if keys != self._keys:
            write_json(self._file, {"version": 1, "keys": keys}, mode=0o600)
            self._keys = keys
        self.synced_at, self.problem = now, ""

    def name_of(self, authorization: str, now: float) -> Optional[str]:
        """The name of the key in an Authorization header, None when it is not good."""
        return name_of(self._keys or {}, authorization, now)


def parse(text: Optional[str]) -> Dict[str, Any]:
    """The keys in the secret's text. Raises AgentError when it is missing or not as expected."""
    if text is None:
        raise AgentError("the secret with the client keys is empty", hint="run `fab keys.add`")
    try:
        keys = dict(json.loads(text)["keys"])
        for name, entry in keys.items():
            if len(str(entry["sha256"])) != hashlib.sha256().digest_size * 2:
                raise ValueError(f"the hash of {name!r}")
            int(entry["sha256"], 16)
            _epoch(entry.get("previous_until"))
    except (ValueError, KeyError, TypeError) as error:
        raise AgentError(f"the secret with the client keys is not as expected: {error}") from None
    return keys


def name_of(keys: Mapping[str, Any], authorization: str, now: float) -> Optional[str]:
    """The name of the key that *authorization* carries.

    Every hash is compared, in constant time, whether or not one matched before.
    """
    if not authorization.lower().startswith(_SCHEME):
        return None
    given = hashlib.sha256(authorization[len(_SCHEME) :].strip().encode()).hexdigest()
    found: Optional[str] = None
    for name, entry in keys.items():
        fresh = hmac.compare_digest(given, str(entry["sha256"]))
        previous = hmac.compare_digest(given, str(entry.get("previous_sha256") or ""))
        if fresh or (previous and now < _epoch(entry.get("previous_until"))):
            found = name
    return found


def _epoch(text: Optional[str]) -> float:
    if not text:
        return 0.0
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return moment.timestamp()


def _load(file: Path) -> Optional[Dict[str, Any]]:
    try:
        return dict(read_json(file)["keys"])
    except (AgentError, KeyError, TypeError, ValueError):
        return None
