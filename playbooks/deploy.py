"""Bring hosts to the release that the environment describes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playbooks.config import ENV_HELP
from playbooks.frame import confirm, emit_json, finish, progress, task
from playbooks.session import Session
from provision.errors import EXIT_DONE, EXIT_FAILED

if TYPE_CHECKING:
    from provision.executor.outcome import Outcome
    from provision.planning.plan import Plan

_HELP = {
    "model": "catalogue name, instead of the one in the environment's file",
    "env": ENV_HELP,
    "hosts": "only these: names or addresses, comma-separated, shell patterns",
    "dry-run": "print the plan and change nothing",
    "yes": "go on without asking",
    "accept-downtime": "restart serving hosts all at once",
    "json": "print JSON only",
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
    json: bool = False,
) -> None:
    """Set hosts up, start the model, warm it up, check it, take traffic."""
    from provision.report import plan as plan_report

    with Session.open(env) as session:
        progress(session.chosen)
        plan = plan_for(session, model=model, hosts=hosts, accept_downtime=accept_downtime)
        if not json:
            print(plan_report.text(plan))
        outcomes: list[Outcome] = []
        if plan and not dry_run and (yes or confirm("Go on?")):
            outcomes.append(carry_out(session, plan))
            outcomes += _converge(session, plan, outcomes[0], model=model, json=json)
        _tell(plan, outcomes, json=json)


def plan_for(
    session: Session, *, model: str | None = None, hosts: str = "*", accept_downtime: bool = False
) -> Plan:
    """Look at everything and plan the deploy; changes nothing."""
    import secrets

    from provision.executor.deploy import prepare
    from provision.planning import keys

    return prepare(
        session.environment,
        cloud=session.cloud,
        shell=session.shell,
        model=model,
        hosts=hosts,
        accept_downtime=accept_downtime,
        spare_key=keys.new_text(secrets.token_bytes(keys.RANDOM_BYTES)),
    )


def carry_out(session: Session, plan: Plan) -> Outcome:
    """Execute *plan*, with progress on stderr."""
    from provision.executor.executor import Executor
    from provision.report.lines import line

    executor = Executor(
        shell=session.shell,
        http=session.http,
        cloud=session.cloud,
        clock=session.clock,
        listener=lambda event: progress(line(event)),
    )
    return executor.execute(plan)


def _converge(
    session: Session, plan: Plan, outcome: Outcome, *, model: str | None, json: bool
) -> list[Outcome]:
    """Deploy to hosts that joined meanwhile with the release of before; the others serve."""
    from provision.executor.latecomers import behind
    from provision.report import outcome as outcome_report
    from provision.report import plan as plan_report

    names = behind(plan, cloud=session.cloud, shell=session.shell) if outcome.ok else ()
    if not names:
        return []
    late = plan_for(session, model=model, hosts=",".join(names), accept_downtime=True)
    if not json:
        print(outcome_report.text(outcome))
        print(f"\n{len(names)} host(s) joined meanwhile with the release of before")
        print(plan_report.text(late))
    return [carry_out(session, late)]


def _tell(plan: Plan, outcomes: list[Outcome], *, json: bool) -> None:
    from provision.report import outcome as outcome_report
    from provision.report import plan as plan_report

    # A host that could not be asked may well need something: that is no success.
    ok = all(outcome.ok for outcome in outcomes) if outcomes else not plan.left_out
    if json:
        carried_out = [outcome_report.document(outcome) for outcome in outcomes]
        first, late = (*carried_out, None, None)[:2]
        document = plan_report.document(plan)
        emit_json({"ok": ok, "plan": document, "outcome": first, "joined_meanwhile": late})
    elif outcomes:
        print(outcome_report.text(outcomes[-1]))
    finish(EXIT_DONE if ok else EXIT_FAILED)
