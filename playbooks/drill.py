"""A rehearsed outage against a live environment."""

from __future__ import annotations

import json as json_module
from typing import TYPE_CHECKING, Any

from playbooks.config import ENV_HELP
from playbooks.frame import confirm, emit_json, finish, progress, task
from playbooks.hold import caller, glance, holding
from playbooks.rolling import carry_out, show, standing
from playbooks.session import Session
from provision.errors import EXIT_DONE, EXIT_FAILED, Refused, UsageError

if TYPE_CHECKING:
    from provision.executor.outcome import Outcome
    from provision.planning.drill import Drilled, Sample
    from provision.planning.plan import Plan

_HELP = {
    "env": ENV_HELP,
    "away": "seconds for which the fallback answers (default 60)",
    "outage": "all hosts leave the load balancer, as if they had died: clients get errors until the"
    " switch has found out",
    "confirm": "needed where the environment's name begins with prod",
    "dry-run": "print the plan and change nothing",
    "yes": "go on without asking",
    "json": "print JSON only",
}
_LONGEST_AWAY_S = 3600


@task(help=_HELP)
def drill(
    _context: Any,
    env: str | None = None,
    away: str = "60",
    outage: bool = False,
    confirm_: bool = False,
    dry_run: bool = False,
    yes: bool = False,
    json: bool = False,
) -> None:
    """Take traffic off our own hosts and give it back, measured as clients see it."""
    from playbooks.fallback import look
    from provision.planning.drill import plan_drill

    if not away.isdecimal() or not 0 < int(away) <= _LONGEST_AWAY_S:
        raise UsageError(f"--away {away!r} is no time", hint=f"seconds, 1 to {_LONGEST_AWAY_S}")
    with Session.open(env) as session:
        progress(session.chosen)
        _refuse_unconfirmed(session, confirmed=confirm_ or dry_run)
        before = glance(session)
        now = standing(session, "*", before)
        plan = plan_drill(
            session.environment,
            now,
            look(session),
            by=caller(session).name,
            now=session.clock.now(),
            away_s=float(away),
            outage=outage,
        )
        show(plan, before, json=json)
        if dry_run or not (yes or confirm("Go on?")):
            return
        with holding(session, plan, task="drill", before=before):
            outcome, samples, over_at = _carry_out(session, plan)
        _tell(session, plan, outcome, samples, over_at, json=json)


def _refuse_unconfirmed(session: Session, *, confirmed: bool) -> None:
    if session.environment.name.startswith("prod") and not confirmed:
        raise Refused(
            f"{session.environment.name} has clients",
            hint="say --confirm; --dry-run shows the plan first",
        )


def _carry_out(session: Session, plan: Plan) -> tuple[Outcome, list[Sample], float]:
    """What came of it, what clients had, and when the outage was over."""
    from provision.executor.sampler import Sampler

    model = session.environment.model.served_name or session.environment.model.name
    sampler = Sampler(cloud=session.cloud, http=session.http, clock=session.clock, model=model)
    with sampler.asking():
        outcome = carry_out(session, plan)
    took = dict(outcome.waves)
    last = took.get("all back", 0.0)
    return outcome, sampler.samples, max(0.0, outcome.seconds - last)


def _tell(
    session: Session,
    plan: Plan,
    outcome: Outcome,
    samples: list[Sample],
    over_at: float,
    *,
    json: bool,
) -> None:
    from provision.planning.drill import drilled
    from provision.planning.journal import stamp
    from provision.report import fallback as report
    from provision.report import outcome as outcome_report
    from provision.report import plan as plan_report

    what = drilled(samples, ended_at=over_at)
    key = f"drills/{stamp(session.clock.now()).replace(':', '')}.json"
    whole = {
        "ok": outcome.ok and _went_well(what),
        "plan": plan_report.document(plan),
        "outcome": outcome_report.document(outcome),
        "drill": report.drill_document(what),
        "key": key,
    }
    session.cloud.put_object(key, json_module.dumps(whole, indent=2).encode())
    if json:
        emit_json(whole)
    else:
        print(outcome_report.text(outcome))
        print(report.drill(what))
        print(f"\nwritten to {key} in the environment's bucket")
    finish(EXIT_DONE if whole["ok"] else EXIT_FAILED)


def _went_well(what: Drilled) -> bool:
    return what.to_fallback_s is not None and what.to_primary_s is not None
