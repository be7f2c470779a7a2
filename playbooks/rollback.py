"""Back to a release of before, host by host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playbooks.config import ENV_HELP
from playbooks.frame import confirm, progress, task
from playbooks.hold import glance, holding
from playbooks.latecomers import converge
from playbooks.rolling import PACE_HELP, pace_of, plan_with, roll, show, standing, tell
from playbooks.session import Session
from playbooks.unfinished import UNFINISHED_HELP, asked_for, go_on

if TYPE_CHECKING:
    from provision.executor.outcome import Outcome
    from provision.planning.plan import Plan

_HELP = {
    "to": "the release to go back to (default: the one that was current before)",
    "env": ENV_HELP,
    "hosts": "only these: names or addresses, comma-separated, shell patterns",
    "dry-run": "print the plan and change nothing",
    "yes": "go on without asking",
    "accept-downtime": "also when nobody serves meanwhile",
    "json": "print JSON only",
    **PACE_HELP,
    **UNFINISHED_HELP,
}


@task(help=_HELP)
def rollback(
    _context: Any,
    to: str = "",
    env: str | None = None,
    hosts: str = "*",
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
    """Go back to the release before this one, or to the one named, without losing a request."""
    from provision.executor.releases import Releases
    from provision.planning.rollback import plan_rollback

    with Session.open(env) as session:
        progress(session.chosen)
        if asked_for(resume=resume, abort=abort, hosts=hosts != "*", to=to):
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
        releases = Releases(session.cloud)
        wanted = releases.published(to or releases.before())

        def plan_of(some: str) -> Plan:
            now = standing(session, some, before)
            return plan_with(
                session, pace, lambda at: plan_rollback(session.environment, wanted, now, at)
            )

        plan = plan_of(hosts)
        show(plan, before, json=json)
        outcomes: list[Outcome] = []
        late: Outcome | None = None
        if plan and not dry_run and (yes or confirm("Go on?")):
            with holding(session, plan, task="rollback", before=before):
                outcomes = roll(session, plan, keep_going=keep_going)
                late = converge(session, plan, outcomes[0], plan_of, json=json)
        tell(plan, outcomes, json=json, more={"joined_meanwhile": late})
