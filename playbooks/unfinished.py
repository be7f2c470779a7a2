"""Going on with a rollout that broke off, or taking it back, whoever began it."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from playbooks.frame import confirm, emit_json, finish, progress
from playbooks.hold import Glance, glance, holding
from playbooks.rolling import carry, carry_out, roll, show, tell
from playbooks.session import Session
from provision.errors import UsageError

if TYPE_CHECKING:
    from provision.executor.outcome import Outcome
    from provision.planning.intent import Intent
    from provision.planning.journal import Run
    from provision.planning.plan import Plan

UNFINISHED_HELP = {
    "resume": "go on with a rollout that broke off, whoever began it",
    "abort": "take back a rollout that broke off",
}


def asked_for(*, resume: bool, abort: bool, **others: Any) -> bool:
    """Whether a task is to go on with what broke off. Raises UsageError for flags beside it."""
    if not (resume or abort):
        return False
    said = [name for name, value in others.items() if value]
    if said or (resume and abort):
        flags = [f"--{name.replace('_', '-')}" for name in said]
        raise UsageError(
            f"--{'resume' if resume else 'abort'} takes no {', '.join(flags) or '--abort'}",
            hint="what it does was said when the rollout began: `fab history` shows it",
        )
    return True


def go_on(session: Session, *, abort: bool, dry_run: bool, yes: bool, json: bool) -> None:
    """Finish the last rollout, or with *abort* take it back; ends the task with its exit code."""
    before = glance(session)
    found, run = before.result(), before.result().unfinished
    _refuse_held(session, found)
    if run is None:
        _say_nothing(json=json)
        return
    progress(f"epoch {run.epoch} broke off: {run.what.purpose} by {run.who}, since {run.begun}")
    intent = _intent(run)
    plan = _plan(session, run, intent, found, abort=abort)
    plan = carry(session, plan) if intent.carried else plan
    show(plan, before, json=json)
    outcomes: list[Outcome] = []
    if not dry_run and (yes or not plan or confirm("Go on?")):
        outcomes = _carry_out(session, plan, intent, before, abort=abort)
    tell(plan, outcomes, json=json)


def _refuse_held(session: Session, found: Glance) -> None:
    from provision.planning.lock import refuse_held

    refuse_held(found.seen, environment=session.environment.name)


def _say_nothing(*, json: bool) -> None:
    if json:
        emit_json({"ok": True, "plan": None, "outcome": None, "way_back": None})
    else:
        print("no rollout broke off: nothing to do")
    finish(0)


def _intent(run: Run) -> Intent:
    if run.what.intent is None:
        raise RuntimeError("only a rollout can break off")
    return run.what.intent.resumed(run.begun)


def _plan(session: Session, run: Run, intent: Intent, found: Glance, *, abort: bool) -> Plan:
    from provision.executor.way_back import concerned
    from provision.planning.journal import seconds_between, stamp
    from provision.planning.resume import plan_abort, plan_resume

    now = concerned(intent, cloud=session.cloud, shell=session.shell)
    if abort:
        return plan_abort(session.environment, run, intent, now)
    return plan_resume(
        session.environment,
        run,
        intent,
        now,
        published=_published(session, intent),
        elapsed_s=seconds_between(intent.began or run.begun, stamp(found.seen.at)),
    )


def _published(session: Session, intent: Intent) -> Any:
    from provision.executor.releases import Releases

    if intent.release is None:
        return None
    try:
        found = Releases(session.cloud).published(intent.release)
    except UsageError:  # it broke off before that
        return None
    return replace(found, chat=intent.chat)


def _carry_out(
    session: Session, plan: Plan, intent: Intent, before: Future[Glance], *, abort: bool
) -> list[Outcome]:
    """Also when there is nothing left to do: then the record says so."""
    task = "abort" if abort else "resume"
    with holding(session, plan, task=task, before=before):
        if abort:
            return [carry_out(session, plan)]
        return roll(session, replace(plan, intent=intent), keep_going=False)
