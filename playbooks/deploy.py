"""Bring hosts to the release that the environment describes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from playbooks.config import ENV_HELP
from playbooks.frame import confirm, progress, task
from playbooks.gateway import way_out
from playbooks.hold import glance, holding, left_held
from playbooks.latecomers import converge
from playbooks.rolling import PACE_HELP, pace_of, plan_with, roll, show, tell
from playbooks.session import Session
from playbooks.unfinished import UNFINISHED_HELP, asked_for, go_on

if TYPE_CHECKING:
    from provision.executor.outcome import Outcome
    from provision.planning.pace import Pace
    from provision.planning.plan import Plan

_HELP = {
    "model": "catalogue name, instead of the one in the environment's file",
    "env": ENV_HELP,
    "hosts": "only these: names or addresses, comma-separated, shell patterns",
    "dry-run": "print the plan and change nothing",
    "yes": "go on without asking",
    "accept-downtime": "restart serving hosts all at once",
    "json": "print JSON only",
    **PACE_HELP,
    **UNFINISHED_HELP,
}


@task(help=_HELP)
def deploy(
    _context: Any,
    model: str | None = None,
    env: str | None = None,
    hosts: str = "*",
    dry_run: bool = False,
    yes: bool = False,
    accept_downtime: bool = False,
    max_unavailable: str = "1",
    bake: str = "30",
    deadline: str | None = None,
    keep_going: bool = False,
    resume: bool = False,
    abort: bool = False,
    json: bool = False,
) -> None:
    """Set hosts up, start the model, warm it up, check it, take traffic."""
    with Session.open(env) as session:
        progress(session.chosen)
        if asked_for(resume=resume, abort=abort, hosts=hosts != "*", model=model):
            go_on(session, abort=abort, dry_run=dry_run, yes=yes, json=json)
            return
        before = glance(session)
        pace = pace_of(session, max_unavailable=max_unavailable, bake=bake, deadline=deadline)

        def plan_of(some: str) -> Plan:
            return plan_with(
                session,
                pace,
                lambda at: plan_for(
                    session,
                    model=model,
                    hosts=some,
                    accept_downtime=accept_downtime,
                    pace=at,
                    held=left_held(before),
                ),
            )

        plan = plan_of(hosts)
        show(plan, before, json=json)
        outcomes: list[Outcome] = []
        late: Outcome | None = None
        if plan and not dry_run and (yes or confirm("Go on?")):
            with holding(session, plan, task="deploy", before=before):
                outcomes = roll(session, plan, keep_going=keep_going)
                late = converge(session, plan, outcomes[0], plan_of, json=json)
        tell(plan, outcomes, json=json, more={"joined_meanwhile": late})


def plan_for(
    session: Session,
    *,
    model: str | None = None,
    hosts: str = "*",
    accept_downtime: bool = False,
    pace: Pace | None = None,
    held: Sequence[str] = (),
) -> Plan:
    """Look at everything and plan the deploy; changes nothing. An unfinished rollout left *held*
    suspended."""
    import secrets

    from provision.executor.deploy import prepare
    from provision.planning import keys
    from provision.planning.pace import CAREFUL

    return prepare(
        session.environment,
        cloud=session.cloud,
        shell=session.shell,
        model=model,
        hosts=hosts,
        accept_downtime=accept_downtime,
        pace=pace or CAREFUL,
        left_held=held,
        way_out=way_out(session),
        spare_key=keys.new_text(secrets.token_bytes(keys.RANDOM_BYTES)),
    )
