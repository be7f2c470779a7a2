"""Bring a changed image or launch template to the whole fleet: one host after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playbooks.config import ENV_HELP
from playbooks.frame import confirm, progress, task
from playbooks.hold import glance, holding
from playbooks.rolling import (
    carry,
    carry_out,
    chats,
    pace_of,
    plan_with,
    show,
    standing,
    tell,
)
from playbooks.session import Session

if TYPE_CHECKING:
    from provision.executor.outcome import Outcome
    from provision.planning.pace import Pace
    from provision.planning.plan import Plan
    from provision.planning.situation import Situation

_HELP = {
    "env": ENV_HELP,
    "hosts": "only these: names or addresses, comma-separated, shell patterns",
    "bake": "seconds for which a new host is watched before the next one goes (default 30)",
    "deadline": "seconds for which a host may empty itself (default: the longest answer and queue)",
    "dry-run": "print the plan and change nothing",
    "yes": "go on without asking",
    "accept-downtime": "also when nobody serves meanwhile",
    "json": "print JSON only",
}


@task(name="instance-refresh", help=_HELP)
def instance_refresh(
    _context: Any,
    env: str | None = None,
    hosts: str = "*",
    bake: str = "30",
    deadline: str | None = None,
    dry_run: bool = False,
    yes: bool = False,
    accept_downtime: bool = False,
    json: bool = False,
) -> None:
    """Replace hosts of an older launch template, one after the other; no request is lost."""
    from provision.planning.refresh import plan_refresh

    with Session.open(env) as session:
        progress(session.chosen)
        before = glance(session)
        pace = pace_of(
            session, max_unavailable="1", bake=bake, deadline=deadline, downtime=accept_downtime
        )
        now = standing(session, hosts, before)
        chat = chats(session)
        plan = plan_with(
            session, pace, lambda at: plan_refresh(session.environment, now, at, chat=chat)
        )
        show(plan, before, json=json)
        outcomes: list[Outcome] = []
        if plan and not dry_run and (yes or confirm("Go on?")):
            with holding(session, plan, task="instance-refresh", before=before):
                outcomes = _replace(session, plan, now, pace)
        tell(plan, outcomes, json=json)


def _replace(session: Session, plan: Plan, now: Situation, pace: Pace) -> list[Outcome]:
    """Execute *plan*; a host that left traffic and was not ended comes back, the others stay."""
    from provision.executor.way_back import way_back
    from provision.planning.carried import is_carried
    from provision.planning.refresh import halfway
    from provision.report import plan as plan_report

    outcome = carry_out(session, plan)
    if outcome.ok or session.work is None or session.work.journal.lost:
        return [outcome]
    left = halfway(session.environment, plan, now, pace)
    back = way_back(session.environment, left, cloud=session.cloud, shell=session.shell)
    back = carry(session, back) if is_carried(plan) else back
    if not back:
        return [outcome]
    progress(plan_report.text(back))
    return [outcome, carry_out(session, back)]
