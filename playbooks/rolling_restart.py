"""Start every engine anew, host by host, without losing a request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from playbooks.config import ENV_HELP
from playbooks.frame import confirm, progress, task
from playbooks.hold import glance, holding
from playbooks.rolling import (
    PACE_HELP,
    chats,
    pace_of,
    plan_with,
    roll,
    show,
    standing,
    tell,
)
from playbooks.session import Session
from playbooks.unfinished import UNFINISHED_HELP, asked_for, go_on
from provision.errors import UsageError

if TYPE_CHECKING:
    from provision.executor.outcome import Outcome

_HELP = {
    "env": ENV_HELP,
    "hosts": "only these: names or addresses, comma-separated, shell patterns",
    "if-older-than": "only engines that have run for longer: 90m, 24h, 7d",
    "dry-run": "print the plan and change nothing",
    "yes": "go on without asking",
    "accept-downtime": "also when nobody serves meanwhile",
    "json": "print JSON only",
    **PACE_HELP,
    **UNFINISHED_HELP,
}
_UNITS = {"m": 60.0, "h": 3600.0, "d": 86400.0}


@task(name="rolling-restart", help=_HELP)
def rolling_restart(
    _context: Any,
    env: str | None = None,
    hosts: str = "*",
    if_older_than: str | None = None,
    max_unavailable: str = "1",
    bake: str = "30",
    deadline: str | None = None,
    keep_going: bool = False,
    dry_run: bool = False,
    yes: bool = False,
    accept_downtime: bool = False,
    resume: bool = False,
    abort: bool = False,
    json: bool = False,
) -> None:
    """Restart the engines one host after the other; no request is lost."""
    from provision.planning.restart import plan_restart

    older_than_s = None if if_older_than is None else _age(if_older_than)
    with Session.open(env) as session:
        progress(session.chosen)
        if asked_for(resume=resume, abort=abort, hosts=hosts != "*", if_older_than=if_older_than):
            go_on(session, abort=abort, dry_run=dry_run, yes=yes, json=json)
            return
        before = glance(session)
        pace = pace_of(
            session,
            max_unavailable=max_unavailable,
            bake=bake,
            deadline=deadline,
            downtime=accept_downtime,
        )
        now = standing(session, hosts, before)
        chat = chats(session)
        plan = plan_with(
            session,
            pace,
            lambda at: plan_restart(
                session.environment, now, at, chat=chat, older_than_s=older_than_s
            ),
        )
        show(plan, before, json=json)
        outcomes: list[Outcome] = []
        if plan and not dry_run and (yes or confirm("Go on?")):
            with holding(session, plan, task="rolling-restart", before=before):
                outcomes = roll(session, plan, keep_going=keep_going)
        tell(plan, outcomes, json=json)


def _age(said: str) -> float:
    match = re.fullmatch(r"(\d{1,6})([mhd])", said)
    if match is None:
        raise UsageError(f"--if-older-than {said!r} is no time", hint="like 90m, 24h or 7d")
    return int(match[1]) * _UNITS[match[2]]
