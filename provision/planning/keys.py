"""Client keys: the document of hashes that the fronts check against, and what is done to it.

Pure: the text of a new key and the time come in as arguments. Only hashes are in the document;
whoever holds a key's text is told it once.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from provision.errors import FleetError, UsageError

VERSION = 1
PREFIX = "sk-fleet-"
RANDOM_BYTES = 32  # 43 characters of base64

# As provision.gateway.counter has them: low keys get no hosted answer from 80 % of a cap on, normal
# ones from 90 %, high ones until it is reached.
PRIORITIES = ("high", "normal", "low")

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_SECRET_LIMIT = 65_536  # bytes of one secret in Secrets Manager


@dataclass(frozen=True, slots=True)
class Key:
    """What is known of one key. Times are ISO 8601 with an offset.

    After a rotation the text before works until ``previous_until``. *priority* says which keys go
    first when what hosted APIs may cost gets short: one of :data:`PRIORITIES`, None is ``high``.
    """

    sha256: str
    created: str
    previous_sha256: str | None = None
    previous_until: str | None = None
    priority: str | None = None


@dataclass(frozen=True, slots=True)
class Keys:
    """All keys by name. Names that begin with ``_`` are the fleet's own: left alone here."""

    by_name: Mapping[str, Key]

    def __iter__(self) -> Iterator[tuple[str, Key]]:
        """Names and keys of clients, by name."""
        return iter(sorted((n, k) for n, k in self.by_name.items() if not n.startswith("_")))

    def to_json(self) -> str:
        """The secret's text. Raises FleetError when it is more than a secret can hold."""
        keys = {name: _fields(key) for name, key in sorted(self.by_name.items())}
        text = json.dumps({"version": VERSION, "keys": keys})
        if len(text.encode()) > _SECRET_LIMIT:
            raise FleetError(
                f"{len(keys)} keys are more than one secret holds", hint="revoke what is not used"
            )
        return text


def parse(text: str | None) -> Keys:
    """Read the secret's text; None is a fleet without keys. Raises FleetError for anything else."""
    if text is None:
        return Keys({})
    try:
        document = json.loads(text)
        if document["version"] != VERSION:
            raise ValueError(f"version {document['version']}")
        return Keys({name: Key(**fields) for name, fields in document["keys"].items()})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FleetError(
            f"the client-keys secret is not a document of this version: {error}",
            hint="restore its previous version in Secrets Manager (AWSPREVIOUS)",
        ) from error


def new_text(random: bytes) -> str:
    """The text of a key from :data:`RANDOM_BYTES` random bytes."""
    if len(random) != RANDOM_BYTES:
        raise ValueError(f"a key is made of {RANDOM_BYTES} bytes, not {len(random)}")
    return PREFIX + base64.urlsafe_b64encode(random).decode().rstrip("=")


def fingerprint(text: str) -> str:
    """What the document holds of a key's text: its SHA-256, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def add(keys: Keys, name: str, text: str, *, now: datetime) -> Keys:
    """*keys* with a new one. Raises UsageError when the name is taken or is no name."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is not a name for a key",
            hint="up to 63 small letters, digits, '.', '_' and '-', like team-search",
        )
    if name in keys.by_name:
        raise UsageError(f"there is a key {name} already", hint=f"fab keys.rotate {name}")
    return _with(keys, name, Key(fingerprint(text), _iso(now)))


def set_priority(keys: Keys, name: str, priority: str) -> Keys:
    """*keys* with another priority of this one. Raises UsageError."""
    if priority not in PRIORITIES:
        raise UsageError(f"{priority!r} is not a priority", hint=f"one of {', '.join(PRIORITIES)}")
    marked = None if priority == PRIORITIES[0] else priority
    return _with(keys, name, replace(_client(keys, name), priority=marked))


def revoke(keys: Keys, name: str) -> Keys:
    """*keys* without this one, also without its text before a rotation."""
    _client(keys, name)
    return Keys({other: key for other, key in keys.by_name.items() if other != name})


def rotate(keys: Keys, name: str, text: str, *, now: datetime, grace: timedelta) -> Keys:
    """*keys* with a new text for this one; the text until now works on for *grace*.

    A text from a rotation before ends now: there are never more than two.
    """
    old = _client(keys, name)
    new = Key(fingerprint(text), _iso(now), priority=old.priority)
    if grace:
        until = _iso(now + grace)
        new = replace(new, previous_sha256=old.sha256, previous_until=until)
    return _with(keys, name, new)


def rows(keys: Keys, *, now: datetime) -> list[dict[str, Any]]:
    """What may be shown: name, creation, until when the text before still works, priority."""
    return [
        {
            "name": name,
            "created": key.created,
            "previous_until": key.previous_until if _is_ahead(key.previous_until, now) else None,
            "priority": key.priority or PRIORITIES[0],
        }
        for name, key in keys
    ]


def parse_grace(text: str) -> timedelta:
    """``90s``, ``30m``, ``24h`` or ``7d``; ``0`` for none. Raises UsageError."""
    units = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
    match = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if text != "0" and match is None:
        raise UsageError(f"{text!r} is not a time", hint="like 90s, 30m, 24h, 7d, or 0")
    return timedelta(**{units[match[2]]: int(match[1])}) if match else timedelta()


def _fields(key: Key) -> dict[str, str | None]:
    """A key as the document has it; a priority only where somebody gave one."""
    fields = asdict(key)
    if key.priority is None:
        del fields["priority"]
    return fields


def _client(keys: Keys, name: str) -> Key:
    names = [other for other, _ in keys]
    if name not in names:
        known = ", ".join(names) or "none"
        raise UsageError(f"there is no key {name}", hint=f"keys are: {known}")
    return keys.by_name[name]


def _with(keys: Keys, name: str, key: Key) -> Keys:
    return Keys({**keys.by_name, name: key})


def _is_ahead(moment: str | None, now: datetime) -> bool:
    return moment is not None and datetime.fromisoformat(moment) > now


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
