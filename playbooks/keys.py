"""Client keys: who may ask. No deploy is needed; hosts take a change in within a minute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from invoke.collection import Collection

from playbooks.config import ENV_HELP
from playbooks.frame import emit_json, progress, task
from playbooks.session import Session

if TYPE_CHECKING:
    from datetime import datetime

_HELP = {"name": "who the key is for, like team-search", "env": ENV_HELP, "json": "print JSON only"}
_GRACE_HELP = "how long the key until now works on: 90s, 30m, 24h, 7d, or 0"


@task(positional=["name"], help=_HELP)
def add(_context: Any, name: str, env: str | None = None, json: bool = False) -> None:
    """Make a key and print it, this one time."""
    from provision.executor.key_store import KeyStore, new_text
    from provision.planning import keys

    with Session.open(env) as session:
        text, now = new_text(), _now(session)
        KeyStore(session.cloud).change(lambda known: keys.add(known, name, text, now=now))
        _show(session, name, text, json=json)


@task(name="list", help={"env": ENV_HELP, "json": "print JSON only"})
def list_(_context: Any, env: str | None = None, json: bool = False) -> None:
    """Show the keys by name; their texts are stored nowhere."""
    from provision.executor.key_store import KeyStore
    from provision.planning import keys

    with Session.open(env) as session:
        progress(session.chosen)
        rows = keys.rows(KeyStore(session.cloud).read(), now=_now(session))
    if json:
        emit_json(rows)
        return
    for row in rows:
        print(_line(row))
    if not rows:
        print("no keys yet: fab keys.add NAME")


@task(positional=["name"], help=_HELP)
def revoke(_context: Any, name: str, env: str | None = None, json: bool = False) -> None:
    """Refuse a key on all hosts, within a minute."""
    from provision.executor.key_store import KeyStore
    from provision.planning import keys

    with Session.open(env) as session:
        KeyStore(session.cloud).change(lambda known: keys.revoke(known, name))
    if json:
        emit_json({"name": name, "revoked": True})
    else:
        print(f"{name} is revoked: hosts refuse it within a minute")


@task(positional=["name"], help={**_HELP, "grace": _GRACE_HELP})
def rotate(
    _context: Any, name: str, env: str | None = None, grace: str = "24h", json: bool = False
) -> None:
    """Replace a key; the one until now works on for a while."""
    from provision.executor.key_store import KeyStore, new_text
    from provision.planning import keys

    with Session.open(env) as session:
        text, now, lasting = new_text(), _now(session), keys.parse_grace(grace)
        changed = KeyStore(session.cloud).change(
            lambda known: keys.rotate(known, name, text, now=now, grace=lasting)
        )
        _show(session, name, text, json=json, previous_until=changed.by_name[name].previous_until)


@task(positional=["name", "to"], help={**_HELP, "to": "high, normal or low"})
def priority(_context: Any, name: str, to: str, env: str | None = None, json: bool = False) -> None:
    """Say which keys go first when the fallback's budget gets short."""
    from provision.executor.key_store import KeyStore
    from provision.planning import keys

    with Session.open(env) as session:
        KeyStore(session.cloud).change(lambda known: keys.set_priority(known, name, to))
    if json:
        emit_json({"name": name, "priority": to})
    else:
        print(f"{name} has {to} priority: gateways know it within a minute")


def _show(
    session: Session, name: str, text: str, *, json: bool, previous_until: str | None = None
) -> None:
    if json:
        emit_json({"name": name, "key": text, "previous_until": previous_until})
        return
    progress(f"{session.chosen}: {name} can be used within a minute. It is not shown again:")
    print(text)
    if previous_until:
        progress(f"the text before works until {previous_until}")


def _line(row: dict[str, Any]) -> str:
    until = row["previous_until"]
    note = f"  the text before works until {until}" if until else ""
    priority = "" if row["priority"] == "high" else f"  {row['priority']} priority"
    return f"{row['name']:<24} {row['created']}{priority}{note}"


def _now(session: Session) -> datetime:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(session.clock.now(), UTC)


ns = Collection("keys", add, list_, revoke, rotate, priority)
