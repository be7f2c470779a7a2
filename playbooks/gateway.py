"""The gateway, for tasks that bring it or show it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from playbooks.session import Session
from provision.errors import FleetError, OutputsMissing

if TYPE_CHECKING:
    from provision.config.environment import Environment
    from provision.planning.finding import Finding
    from provision.planning.gateway import Gateway


def way_out(session: Session) -> Callable[[Environment], Gateway] | None:
    """Looks at the gateway of an environment; None where there is no fallback."""
    from provision.catalog.prices.load import FOLDER, load
    from provision.executor.gateway_now import look

    service = session.gateway
    if service is None:
        return None
    book = load(folder=session.folder / FOLDER if session.folder else None)
    return partial(look, cloud=session.cloud, service=service, book=book)


def line(session: Session) -> str | None:
    """How the gateway stands, in one line; None where there is none."""
    from provision.planning.doctor_gateway import words

    service = session.gateway
    if service is None:
        return None
    try:
        stands, newest = service.service(), service.newest()
        healthy = [one.state for one in service.targets()].count("healthy")
    except FleetError as error:
        return f"gateway: unknown, {error.message}"
    tasks = session.environment.fallback.tasks
    return f"gateway: {words(stands, newest, tasks=tasks, healthy=healthy)}"


def findings(session: Session) -> tuple[Finding, ...]:
    """Every check on the gateway; none where there is none. Changes nothing."""
    from provision.planning.doctor_gateway import judge
    from provision.planning.finding import failed, unknown

    seen, at = _look(session), session.environment
    if seen is None:
        return ()
    if isinstance(seen, OutputsMissing):
        return (failed("gateway", seen.message, f"pulumi up -s {at.name}"),)
    if isinstance(seen, FleetError):
        command = f"aws ecs list-services --cluster {at.prefix} --region {at.region}"
        return (unknown("gateway", seen.message, command),)
    known = session.cloud.outputs().fallback
    return judge(at, *seen, log_group=known.gateway_log_group if known else "")


def _look(session: Session) -> tuple[Gateway, list[str]] | FleetError | None:
    """The gateway and the load balancer's words for its tasks; or why nobody can say."""
    look, service = way_out(session), session.gateway
    if look is None or service is None:
        return None
    try:
        return look(session.environment), [one.state for one in service.targets()]
    except FleetError as error:
        return error
