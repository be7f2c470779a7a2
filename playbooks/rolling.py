"""What every task that changes serving hosts shares: its pace, and the way back when it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playbooks.frame import emit_json, finish, progress
from playbooks.session import Session
from provision.errors import EXIT_DONE, EXIT_FAILED, UsageError

if TYPE_CHECKING:
    from provision.executor.outcome import Outcome
    from provision.planning.plan import Plan
    from provision.planning.rollout import Pace

PACE_HELP = {
    "max-unavailable": "serving hosts that may be away at a time: 1, 2 or 25% (default 1)",
    "bake": "seconds for which a host that came back is watched (default 30)",
    "keep-going": "leave changed hosts changed when a later one fails",
}
_LONGEST_BAKE_S = 3600


def pace_of(session: Session, *, max_unavailable: str, bake: str, downtime: bool = False) -> Pace:
    """How fast, in numbers. Raises UsageError."""
    from provision.planning.rollout import Pace, at_a_time

    if not bake.isdecimal() or int(bake) > _LONGEST_BAKE_S:
        raise UsageError(f"--bake {bake!r} is no time", hint=f"seconds, 0 to {_LONGEST_BAKE_S}")
    hosts = session.environment.fleet.hosts
    least = 0 if downtime else 1
    return Pace(at_a_time(max_unavailable, hosts), least, float(bake))


def carry_out(session: Session, plan: Plan) -> Outcome:
    """Execute *plan* under the lock that the session holds, with progress on stderr."""
    from provision.executor.executor import Executor
    from provision.report.lines import line

    executor = Executor(
        shell=session.shell,
        http=session.http,
        cloud=session.cloud,
        clock=session.clock,
        listener=lambda event: progress(line(event)),
    )
    if session.work is None:
        raise RuntimeError("nothing is carried out without the environment's lock")
    outcome = executor.execute(plan, session.work.journal)
    session.work.outcomes.append(outcome)
    return outcome


def roll(session: Session, plan: Plan, *, pace: Pace, keep_going: bool) -> list[Outcome]:
    """Execute *plan*; when it fails, or is interrupted, bring everything back (a second outcome).

    With *keep_going* hosts stay as they are. A plan that takes no host out of traffic has no way
    back: what it started is no worse than what was there.
    """
    from provision.executor.way_back import way_back
    from provision.report import plan as plan_report

    outcome = carry_out(session, plan)
    lost = session.work is not None and session.work.journal.lost
    if outcome.ok or keep_going or lost or not plan.afterwards:
        return [outcome]
    progress("this did not succeed: looking at what the hosts run now")
    back = way_back(session.environment, plan, cloud=session.cloud, shell=session.shell, pace=pace)
    if not back:
        progress("every host runs what it ran before, in traffic")
        return [outcome]
    progress(plan_report.text(back))
    return [outcome, carry_out(session, back)]


def tell(plan: Plan, outcomes: list[Outcome], *, json: bool) -> None:
    """Print what came of *plan* and of the way back; ends the task with its exit code."""
    from provision.report import outcome as outcome_report
    from provision.report import plan as plan_report

    ok = outcomes[0].ok if outcomes else not plan.left_out
    if json:
        first, back = (*map(outcome_report.document, outcomes), None, None)[:2]
        document = plan_report.document(plan)
        emit_json({"ok": ok, "plan": document, "outcome": first, "way_back": back})
    else:
        for outcome in outcomes:
            print(outcome_report.text(outcome))
    finish(EXIT_DONE if ok else EXIT_FAILED)
