"""Hosts that joined while a release was rolled out, and took the one of before."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from playbooks.rolling import carry_out
from playbooks.session import Session

if TYPE_CHECKING:
    from provision.executor.outcome import Outcome
    from provision.planning.plan import Plan


def converge(
    session: Session,
    plan: Plan,
    outcome: Outcome,
    again: Callable[[str], Plan],
    *,
    json: bool,
) -> Outcome | None:
    """Bring them to what *plan* made current; None when there are none, or it did not get so far.

    *again* plans the same for some hosts (patterns). The others serve already.
    """
    from provision.executor.latecomers import behind
    from provision.report import outcome as outcome_report
    from provision.report import plan as plan_report

    names = behind(plan, cloud=session.cloud, shell=session.shell) if outcome.ok else ()
    if not names:
        return None
    late = again(",".join(names))
    if not json:
        print(outcome_report.text(outcome))
        print(f"\n{len(names)} host(s) joined meanwhile with the release of before")
        print(plan_report.text(late))
    return carry_out(session, late)
