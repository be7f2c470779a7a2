"""Find out what is wrong with hosts, or with the account before there are any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playbooks.config import ENV_HELP
from playbooks.frame import emit_json, finish, progress, task
from playbooks.gateway import findings as gateway_findings
from playbooks.session import Session
from provision.config.environment import Environment, Transport
from provision.errors import PlanError, UsageError

if TYPE_CHECKING:
    from provision.facts.inventory import Host
    from provision.report.findings import Findings

_HELP = {
    "env": ENV_HELP,
    "hosts": "only these: names or addresses, comma-separated, shell patterns",
    "account": "check the AWS account instead: quotas, zones, certificate, secrets, image",
    "json": "print JSON only",
}


@task(help=_HELP)
def doctor(
    _context: Any,
    env: str | None = None,
    hosts: str = "*",
    account: bool = False,
    json: bool = False,
) -> None:
    """Check hosts (or, with --account, the account) and name cause and command for each fault."""
    from provision.report import findings as report

    if account and hosts != "*":
        raise UsageError("--account looks at no host", hint="leave --hosts out")
    with Session.open(env) as session:
        progress(session.chosen)
        found = look_at_account(session) if account else look_at_hosts(session, hosts)
    if json:
        emit_json(report.document(found))
    else:
        print(report.text(found))
    finish(0 if report.good(found) else 1)


def look_at_hosts(session: Session, hosts: str) -> Findings:
    """Every check on every host, one round trip each; with all of them the gateway's."""
    from provision.executor.gather import look_at
    from provision.planning.doctor import diagnose
    from provision.planning.finding import failed

    fleet = session.cloud.inventory()
    chosen = fleet if hosts == "*" else fleet.select(hosts)
    if not len(chosen):
        raise PlanError(
            f"environment {session.environment.name!r} has no running host",
            hint="is the Auto Scaling group still launching? `fab doctor --account` finds why not",
        )
    seen = look_at(chosen, session.shell, thorough=True)
    now_s = session.clock.now()
    found = {}
    for host in chosen:
        if host.name in seen.facts:
            facts = seen.facts[host.name]
            found[host.name] = diagnose(session.environment, host, facts, now_s=now_s)
        else:
            why = " ".join(seen.unreachable[host.name].split())
            found[host.name] = (failed("ssh", why, _by_hand(session.environment, host)),)
    gateway = gateway_findings(session) if hosts == "*" else ()
    return {**found, "gateway": gateway} if gateway else found


def _by_hand(environment: Environment, host: Host) -> str:
    access = environment.access
    if access.transport is Transport.SSM:
        return f"aws ssm start-session --target {host.name} --region {environment.region}"
    return f"ssh -i {access.identity_file} -p {access.port} {access.user}@{host.address} sudo -n id"


def look_at_account(session: Session) -> Findings:
    """Every check on the account. Changes nothing."""
    from provision.connectors.account import look
    from provision.planning.account import judge

    environment = session.environment
    return {f"account, {environment.region}": judge(environment, look(environment))}
