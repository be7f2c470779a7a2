"""Give hosts what they need to run containers with GPUs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playbooks.config import ENV_HELP
from playbooks.frame import confirm, emit_json, finish, progress, task
from playbooks.hold import glance, holding
from playbooks.rolling import carry_out, show
from playbooks.session import Session
from provision.errors import PlanError

if TYPE_CHECKING:
    from provision.planning.plan import Plan

_HELP = {
    "env": ENV_HELP,
    "hosts": "only these: names or addresses, comma-separated, shell patterns",
    "dry-run": "print the plan and change nothing",
    "yes": "go on without asking",
    "json": "print JSON only",
}


@task(help=_HELP)
def setup(
    _context: Any,
    env: str | None = None,
    hosts: str = "*",
    dry_run: bool = False,
    yes: bool = False,
    json: bool = False,
) -> None:
    """Install Docker, compose and the NVIDIA Container Toolkit where they lack."""
    from provision.report import outcome as outcome_report
    from provision.report import plan as plan_report

    with Session.open(env) as session:
        progress(session.chosen)
        before = glance(session)
        plan = plan_for(session, hosts=hosts)
        show(plan, before, json=json)
        outcome = None
        if plan and not dry_run and (yes or confirm("Go on?")):
            with holding(session, plan, task="setup", before=before):
                outcome = carry_out(session, plan)
        ok = not plan.left_out and (outcome is None or outcome.ok)
        if json:
            done = outcome_report.document(outcome) if outcome else None
            emit_json({"ok": ok, "plan": plan_report.document(plan), "outcome": done})
        elif outcome is not None:
            print(outcome_report.text(outcome))
        finish(0 if ok else 1)


def plan_for(session: Session, *, hosts: str) -> Plan:
    """Look at the hosts and plan their set-up; changes nothing. A host that can't be reached is
    left out, and named."""
    from provision.executor.gather import look_at
    from provision.planning.plan import Plan
    from provision.planning.setup import plan_setup

    fleet = session.cloud.inventory()
    chosen = fleet if hosts == "*" else fleet.select(hosts)
    if not len(chosen):
        raise PlanError(
            f"environment {session.environment.name!r} has no running host",
            hint="is the Auto Scaling group still launching? `fab status` shows what is there",
        )
    seen = look_at(chosen, session.shell)
    there = tuple(host for host in chosen if host.name in seen.facts)
    return Plan(
        title=f"set up {len(there)} host(s) of {session.environment.name}",
        waves=plan_setup(session.environment, there, seen.facts),
        expects={host.name: seen.facts[host.name].release for host in there},
        notes=tuple(f"{name} is left out: {why}" for name, why in seen.unreachable.items()),
        left_out=dict(seen.unreachable),
    )
