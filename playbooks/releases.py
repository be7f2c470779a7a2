"""What was published, and how two releases differ."""

from __future__ import annotations

from typing import Any

from playbooks.config import ENV_HELP
from playbooks.frame import emit_json, progress, task
from playbooks.session import Session

_HELP = {"env": ENV_HELP, "json": "print JSON only"}


@task(help=_HELP)
def releases(_context: Any, env: str | None = None, json: bool = False) -> None:
    """List the published releases: model, weights, image; which one is current, which was."""
    from dataclasses import asdict

    from provision.executor.releases import Releases
    from provision.report import releases as report

    with Session.open(env) as session:
        progress(session.chosen)
        rows = Releases(session.cloud).rows()
    if json:
        emit_json([asdict(row) for row in rows])
    else:
        print(report.text(rows))


@task(
    positional=["old", "new"],
    help={**_HELP, "old": "a release", "new": "another release"},
)
def diff(_context: Any, old: str, new: str, env: str | None = None, json: bool = False) -> None:
    """Show what NEW changes against OLD, file by file."""
    from provision.executor.releases import Releases
    from provision.report import releases as report

    with Session.open(env) as session:
        published = Releases(session.cloud)
        changes = report.differences(old, published.files(old), new, published.files(new))
    if json:
        emit_json({"old": old, "new": new, "changes": changes})
    else:
        print("\n".join(changes) if changes else f"{old} and {new} say the same")
