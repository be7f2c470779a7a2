"""Reservations: what AWS offers, what it commits to, and buying one with open eyes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playbooks.config import ENV_HELP
from playbooks.frame import emit_json, progress, task
from playbooks.session import Session
from provision.errors import Refused, UsageError

if TYPE_CHECKING:
    from provision.catalog.prices.book import PriceBook
    from provision.catalog.prices.price import Price
    from provision.config.environment import Environment
    from provision.connectors.reservations import Reservations
    from provision.planning.cost.reserve import Offer

_WEEKS_AHEAD = 8  # Capacity Blocks can be booked that far ahead
_MOST = 1000
_HELP = {
    "env": ENV_HELP,
    "count": "instances (default: fleet.hosts)",
    "term": "1 or 3 years (default: both)",
    "payment": "no-upfront, partial-upfront or all-upfront (default: all three)",
    "capacity": "capacity instead of a cheaper bill: Capacity Blocks and capacity reservations",
    "days": "length of a Capacity Block: 1 to 14 days, or weeks up to 182 days (default: 7)",
    "start": "first day of a Capacity Block, as 2026-12-01 (default: now)",
    "confirm": "buy this offering; needs --limit-price. It can't be cancelled",
    "limit-price": "the most that the whole commitment may cost, in US dollars",
    "json": "print JSON only",
}


@task(help=_HELP)
def reserve(
    _context: Any,
    *,
    env: str | None = None,
    count: str | None = None,
    term: str | None = None,
    payment: str | None = None,
    capacity: bool = False,
    days: str = "7",
    start: str | None = None,
    confirm: str | None = None,
    limit_price: str | None = None,
    json: bool = False,
) -> None:
    """Show reservations for the environment's hosts with cash, commitment and break-even month."""
    from provision.executor.purchase import Buyer
    from provision.report import cost_reserve as report

    limit = _limit(confirm, limit_price)
    with Session.open(env) as session:
        progress(session.chosen)
        ask = _ask(session, count, term, payment, capacity=capacity, days=days, start=start)
        if confirm is None or limit is None:
            look = ask.look()
            if json:
                emit_json(report.document(look))
            else:
                print(report.lines(look))
            return
        ask.require_use()
        buyer = Buyer(confirm, limit, ask.offers, ask.desk, ask.now, progress)
        receipt = buyer.buy()
    if json:
        emit_json(report.receipt_document(receipt))
    else:
        print(report.receipt_lines(receipt))


@dataclass(frozen=True, slots=True)
class _Ask:
    """What is looked for, the same each time that it is looked for."""

    session: Session
    desk: Reservations
    on_demand: Price | None
    count: int
    term: int | None
    payment: str | None
    capacity: bool
    hours: int
    first_day: str | None
    starts: datetime

    @property
    def environment(self) -> Environment:
        """Whose hosts."""
        return self.session.environment

    @property
    def instance_type(self) -> str:
        """Of the hosts."""
        return self.environment.fleet.instance_type

    @property
    def flags(self) -> str:
        """What to type to look the same way again."""
        words = ["--env", self.environment.name, "--count", str(self.count)]
        if self.capacity:
            words += ["--capacity", "--days", str(self.hours // 24)]
            words += ["--start", self.first_day] if self.first_day else []
        return " ".join(words)

    def now(self) -> datetime:
        """By the session's clock."""
        return datetime.fromtimestamp(self.session.clock.now(), UTC)

    def offers(self) -> tuple[Offer, ...]:
        """What AWS offers at this moment."""
        from provision.planning.cost.reserve import reserved_offers

        price = self.on_demand.usd if self.on_demand else None
        if self.capacity:
            return self._capacity(price)
        found = (
            each
            for each in self.desk.offerings(self.instance_type)
            if self.term in {None, each.years} and self.payment in {None, str(each.payment)}
        )
        return reserved_offers(found, count=self.count, on_demand=price)

    def _capacity(self, price: Decimal | None) -> tuple[Offer, ...]:
        from provision.planning.cost.reserve import block_offers, capacity_offers, has_blocks

        kind, until = self.instance_type, self.starts + timedelta(weeks=_WEEKS_AHEAD)
        blocks = (
            self.desk.blocks(
                kind,
                count=self.count,
                hours=self.hours,
                starts=self.starts,
                ends=until + timedelta(hours=self.hours),
            )
            if has_blocks(kind)
            else ()
        )
        zones = self.desk.zones(kind)
        return (
            *block_offers(blocks, on_demand=price),
            *capacity_offers(kind, zones, count=self.count, on_demand=price),
        )

    def look(self) -> Any:
        """What is offered, with reasons to think twice."""
        from provision.report.cost_reserve import Look

        held = () if self.capacity else self.desk.reserved()
        same = [each for each in held if each.instance_type == self.instance_type]
        return Look(
            environment=self.environment.name,
            region=self.environment.region,
            instance_type=self.instance_type,
            count=self.count,
            capacity=self.capacity,
            flags=self.flags,
            offers=self.offers(),
            on_demand=self.on_demand,
            warnings=(
                *([self.useless] if self.useless else []),
                *self._stale(),
                *(
                    f"the account already holds {each.count} x {each.instance_type} reserved "
                    f"until {each.ends:%Y-%m-%d} ({each.id}): `fab cost.coverage`"
                    for each in same
                ),
            ),
        )

    def _stale(self) -> list[str]:
        from provision.catalog.prices.age import too_old

        price = self.on_demand
        warning = too_old(price.origin.as_of, self.now().date()) if price else None
        return [f"on-demand {warning}"] if warning else []

    @property
    def useless(self) -> str:
        """Why Reserved Instances would change nothing on this environment's bill, or ""."""
        fleet = self.environment.fleet
        if self.capacity:
            return ""
        if fleet.purchase == "spot":
            return "fleet.purchase is spot: Reserved Instances apply to on-demand hosts only"
        if fleet.capacity_block:
            return "the hosts run in a Capacity Block: they are paid already"
        return ""

    def require_use(self) -> None:
        """Raise Refused when the purchase would change nothing."""
        if self.useless:
            raise Refused(f"nothing was bought: {self.useless}")


def _ask(
    session: Session,
    count: str | None,
    term: str | None,
    payment: str | None,
    *,
    capacity: bool,
    days: str,
    start: str | None,
) -> _Ask:
    from provision.catalog.prices.hour import on_demand_hour
    from provision.connectors.reservations import Reservations
    from provision.planning.cost.reserve import block_hours

    environment = session.environment
    now = datetime.fromtimestamp(session.clock.now(), UTC)
    fleet = environment.fleet
    return _Ask(
        session=session,
        desk=Reservations(environment),
        on_demand=on_demand_hour(price_book(), fleet.instance_type, environment.region),
        count=fleet.hosts if count is None else _whole("count", count),
        term=_term(term),
        payment=_payment(payment),
        capacity=capacity,
        hours=block_hours(_whole("days", days)),
        first_day=start,
        starts=now if start is None else max(now, _day(start)),
    )


def price_book() -> PriceBook:
    """The prices that hold in the project around this folder."""
    from provision.catalog.prices.load import FOLDER, load
    from provision.config.load import project_folder

    return load(folder=project_folder(Path.cwd()) / FOLDER)


def _limit(confirm: str | None, limit_price: str | None) -> Decimal | None:
    if confirm is None and limit_price is None:
        return None
    if confirm is None or limit_price is None:
        raise UsageError(
            "--confirm and --limit-price go together: what to buy, and the most it may cost in all",
            hint="run the command without both: it ends with the line to type",
        )
    try:
        limit = Decimal(limit_price.removeprefix("$").replace(",", ""))
    except InvalidOperation:
        limit = Decimal(0)
    if not limit.is_finite() or limit <= 0:
        raise UsageError(f"--limit-price {limit_price!r} is no price", hint="say 11107.68")
    return limit


def _whole(flag: str, said: str) -> int:
    if not said.isdecimal() or not 0 < int(said) <= _MOST:
        raise UsageError(f"--{flag} {said!r} is no whole number from 1 to {_MOST}")
    return int(said)


def _term(said: str | None) -> int | None:
    if said not in (None, "1", "3"):
        raise UsageError(f"--term {said!r}: AWS sells 1 and 3 years")
    return None if said is None else int(said)


def _payment(said: str | None) -> str | None:
    from provision.catalog.prices.price import Payment

    if said is not None and said not in list(Payment):
        raise UsageError(f"--payment {said!r} is none of {', '.join(Payment)}")
    return said


def _day(said: str) -> datetime:
    try:
        return datetime.strptime(said, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise UsageError(f"--start {said!r} is no day", hint="say 2026-12-01") from error
