"""Who works on an environment now, and the way past somebody who does no more."""

from __future__ import annotations

from typing import Any

from invoke.collection import Collection

from playbooks.config import ENV_HELP
from playbooks.frame import confirm, emit_json, progress, task
from playbooks.hold import caller, store_of
from playbooks.session import Session

_JSON_HELP = "print JSON only"


@task(help={"env": ENV_HELP, "json": _JSON_HELP})
def status(_context: Any, env: str | None = None, json: bool = False) -> None:
    """Show who holds the lock, for what, since when, and when it frees itself."""
    from provision.report import lock as report

    with Session.open(env) as session:
        progress(session.chosen)
        store = store_of(session)
        seen = store.look()
        if json:
            emit_json(report.document(seen))
        else:
            print(report.text(seen, environment=store.environment))


@task(name="break", help={"env": ENV_HELP, "yes": "go on without asking", "json": _JSON_HELP})
def break_(_context: Any, env: str | None = None, yes: bool = False, json: bool = False) -> None:
    """End the run that holds the lock: its next step does not begin."""
    from provision.planning.lock import State
    from provision.report import lock as report
    from provision.report.history import ending

    with Session.open(env) as session:
        progress(session.chosen)
        store = store_of(session)
        seen = store.look()
        if not json:
            print(report.text(seen, environment=store.environment))
        broken = None
        if seen.state is not State.FREE and (yes or confirm(_QUESTION)):
            broken = store.break_open(seen, by=caller(session))
        if json:
            emit_json({**report.document(store.look()), "broken": broken is not None})
        elif broken is not None:
            print(f"epoch {broken.epoch} ended: {ending(broken)}")


_QUESTION = "What it does on hosts right now goes on; no further step of it begins. Break the lock?"

ns = Collection("lock", status, break_)
