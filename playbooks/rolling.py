"""What every task that changes serving hosts shares: its pace, and the way back when it fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING

from playbooks.frame import emit_json, finish, progress
from playbooks.hold import Glance, caller, left_held, tell_who_works
from playbooks.session import Session
from provision.errors import EXIT_DONE, EXIT_FAILED, UsageError

if TYPE_CHECKING:
    from provision.executor.outcome import Outcome
    from provision.planning.pace import Pace
    from provision.planning.plan import Plan
    from provision.planning.situation import Situation

PACE_HELP = {
    "max-unavailable": "serving hosts that may be away at a time: 1, 2 or 25% (default 1)",
    "bake": "seconds for which a host that came back is watched (default 30)",
    "deadline": "seconds for which a host may empty itself (default: the longest answer and queue)",
    "keep-going": "leave changed hosts changed when a later one fails",
}
_LONGEST_BAKE_S = 3600


def pace_of(
    session: Session,
    *,
    max_unavailable: str,
    bake: str,
    deadline: str | None = None,
    downtime: bool = False,
) -> Pace:
    """How fast, in numbers. Raises UsageError."""
    from provision.planning import pace

    if not bake.isdecimal() or int(bake) > _LONGEST_BAKE_S:
        raise UsageError(f"--bake {bake!r} is no time", hint=f"seconds, 0 to {_LONGEST_BAKE_S}")
    hosts = session.environment.fleet.hosts
    longest = float(session.environment.engine.longest_generation_s)
    return pace.Pace(
        max_unavailable=pace.at_a_time(max_unavailable, hosts),
        min_healthy=0 if downtime else 1,
        bake_s=float(bake),
        drain_s=pace.deadline(deadline, longest_generation_s=longest) if deadline else None,
    )


def plan_with(session: Session, pace: Pace, plan_of: Callable[[Pace], Plan]) -> Plan:
    """The plan at *pace*; where nobody would be left to serve, the fallback carries the traffic.

    Raises TooFewServe where there is no fallback.
    """
    from dataclasses import replace

    from provision.errors import TooFewServe

    try:
        return plan_of(pace)
    except TooFewServe:
        if not session.environment.fallback.exists:
            raise
        return carry(session, plan_of(replace(pace, min_healthy=0)))


def carry(session: Session, plan: Plan) -> Plan:
    """*plan*, with all traffic on the fallback while hosts are away."""
    from provision.planning.carried import carried

    return carried(plan, by=caller(session).name, now=session.clock.now())


def carry_out(session: Session, plan: Plan) -> Outcome:
    """Execute *plan* under the lock that the session holds, with progress on stderr."""
    from provision.executor.executor import Executor
    from provision.report.lines import line

    executor = Executor(
        shell=session.shell,
        http=session.http,
        cloud=session.cloud,
        clock=session.clock,
        board=session.board if session.environment.fallback.exists else None,
        gateway=session.gateway,
        listener=lambda event: progress(line(event)),
    )
    if session.work is None:
        raise RuntimeError("nothing is carried out without the environment's lock")
    outcome = executor.execute(plan, session.work.journal)
    session.work.outcomes.append(outcome)
    return outcome


def roll(session: Session, plan: Plan, *, keep_going: bool) -> list[Outcome]:
    """Execute *plan*; when it fails, or is interrupted, bring everything back (a second outcome).

    With *keep_going* hosts stay as they are. A plan that takes no host out of traffic has no way
    back: what it started is no worse than what was there.
    """
    from dataclasses import replace

    from provision.executor.way_back import way_back
    from provision.planning import gateway
    from provision.report import plan as plan_report

    outcome = carry_out(session, plan)
    work = session.work
    if outcome.ok or keep_going or plan.intent is None or work is None or work.journal.lost:
        return [outcome]
    progress("this did not succeed: looking at what the hosts run now")
    back = way_back(session.environment, plan.intent, cloud=session.cloud, shell=session.shell)
    back = carry(session, back) if plan.intent.carried else back
    if not back:
        unseen = f"; not looked at: {', '.join(back.left_out)}" if back.left_out else ""
        progress(f"every host runs what it ran before, in traffic{unseen}")
        work.returned = not back.left_out
        return [outcome]
    if gateway.moves(plan):
        back = replace(back, notes=(*back.notes, gateway.MOVED_STAYS))
    progress(plan_report.text(back))
    returned = carry_out(session, back)
    work.returned = returned.ok
    return [outcome, returned]


def standing(session: Session, hosts: str, before: Future[Glance]) -> Situation:
    """What *hosts* (patterns) of the environment run now, and who is in traffic."""
    from provision.executor.gather import standing as standing_now

    fleet = session.cloud.inventory()
    chosen = fleet if hosts == "*" else fleet.select(hosts)
    return standing_now(
        chosen,
        cloud=session.cloud,
        shell=session.shell,
        fleet=fleet,
        left_held=left_held(before),
    )


def chats(session: Session) -> bool:
    """Whether the served model is asked with messages."""
    from provision.executor.target import target_of

    repository = session.cloud.outputs().repository_url
    return target_of(session.environment, repository_url=repository).chat


def show(plan: Plan, before: Future[Glance], *, json: bool) -> None:
    """Print *plan*, and name whoever holds the lock, or left something behind."""
    from provision.report import plan as plan_report

    if not json:
        print(plan_report.text(plan))
    tell_who_works(before)


def tell(
    plan: Plan,
    outcomes: list[Outcome],
    *,
    json: bool,
    more: Mapping[str, Outcome | None] | None = None,
) -> None:
    """Print what came of *plan* and of the way back, and what *more* was carried out after them (by
    its name in the JSON); ends the task with its exit code."""
    from provision.report import outcome as outcome_report
    from provision.report import plan as plan_report

    last = [outcome for outcome in (more or {}).values() if outcome is not None]
    # A host that could not be asked may well need something: that is no success.
    ok = all(one.ok for one in (*outcomes, *last)) if outcomes else not plan.left_out
    if json:
        done = {"outcome": None, "way_back": None, **(more or {})}
        done.update(zip(("outcome", "way_back"), outcomes, strict=False))
        documents = {name: outcome_report.document(o) if o else None for name, o in done.items()}
        emit_json({"ok": ok, "plan": plan_report.document(plan), **documents})
    else:
        for outcome in last or outcomes:
            print(outcome_report.text(outcome))
    finish(EXIT_DONE if ok else EXIT_FAILED)
