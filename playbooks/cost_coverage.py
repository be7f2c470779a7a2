"""Running hosts against the account's reservations."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from playbooks.config import ENV_HELP
from playbooks.cost_reserve import price_book
from playbooks.frame import emit_json, progress, task
from playbooks.session import Session

if TYPE_CHECKING:
    from provision.report.cost_coverage import Look


@task(help={"env": ENV_HELP, "json": "print JSON only"})
def coverage(_context: Any, *, env: str | None = None, json: bool = False) -> None:
    """Show what of the running hosts no reservation covers, and reservations that end or idle."""
    from provision.report import cost_coverage as report

    with Session.open(env) as session:
        progress(session.chosen)
        look = _look(session)
    if json:
        emit_json(report.document(look))
    else:
        print(report.lines(look))


def _look(session: Session) -> Look:
    from datetime import UTC, datetime

    from provision.connectors.reservations import Reservations
    from provision.planning.cost.coverage import cover
    from provision.report.cost_coverage import Look

    environment, book = session.environment, price_book()
    desk, at = Reservations(environment), datetime.fromtimestamp(session.clock.now(), UTC)
    used = {}

    def rate(kind: str) -> Decimal | None:
        price = book.on_demand.get((kind, environment.region))
        if price is not None:
            used[kind] = price
        return None if price is None else price.usd

    found = cover(
        environment.name,
        environment.fleet.instance_type,
        running=desk.running(),
        reserved=desk.reserved(),
        capacity=desk.capacity(),
        rate=rate,
        now=at,
    )
    return Look(environment.name, environment.region, at, found, used)
