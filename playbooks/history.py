"""What was changed in an environment, and by whom."""

from __future__ import annotations

from typing import Any

from playbooks.config import ENV_HELP
from playbooks.frame import emit_json, progress, task
from playbooks.hold import store_of
from playbooks.session import Session
from provision.errors import UsageError

_HELP = {
    "env": ENV_HELP,
    "last": "how many runs, the newest first (default 20)",
    "json": "print JSON only, with every step and its times",
}


@task(help=_HELP)
def history(_context: Any, env: str | None = None, last: str = "20", json: bool = False) -> None:
    """Show who changed what, when, from which release to which, and how it ended."""
    from provision.report import history as report

    if not last.isdecimal() or not int(last):
        raise UsageError(f"--last {last!r} is no number of runs", hint="like --last 10")
    with Session.open(env) as session:
        progress(session.chosen)
        runs = store_of(session).history(int(last))
        if json:
            emit_json(report.document(runs))
        else:
            print(report.text(runs))
