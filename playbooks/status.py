"""What is there and how it is."""

from __future__ import annotations

from typing import Any

from playbooks.config import ENV_HELP
from playbooks.frame import emit_json, progress, task
from playbooks.gateway import line
from playbooks.hold import glance, tell_who_works
from playbooks.session import Session


@task(help={"env": ENV_HELP, "json": "print JSON only"})
def status(_context: Any, env: str | None = None, json: bool = False) -> None:
    """Show hosts, release, model, health, traffic, requests, uptime, GPU."""
    from provision.executor.gather import look_at
    from provision.planning.release import CURRENT, parse_current
    from provision.planning.status import rows
    from provision.report import status as report

    with Session.open(env) as session:
        progress(session.chosen)
        before = glance(session)
        inventory = session.cloud.inventory()
        targets = {one.host: one.state for one in session.cloud.target_health()}
        current = parse_current(session.cloud.get_object(CURRENT))
        endpoint = session.cloud.outputs().endpoint
        seen = look_at(inventory, session.shell)
        gateway = None if json else line(session)
        tell_who_works(before)
    hosts = rows(inventory, seen.facts, seen.unreachable, targets)
    if json:
        emit_json(report.document(hosts))
    else:
        print(report.text(hosts, current=current, endpoint=endpoint, gateway=gateway))
