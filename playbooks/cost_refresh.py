"""`fab cost.refresh`: today's prices from AWS, into the project's own price book."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playbooks.choice import choose
from playbooks.config import ENV_HELP
from playbooks.frame import emit_json, progress, task
from provision.errors import CloudError, UsageError

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime
    from pathlib import Path

    from provision.catalog.prices.answer import Answer, Source
    from provision.config.environment import Environment

_HELP = {
    "env": ENV_HELP,
    "region": "another region than the environment's",
    "only": "on-demand, reserved, savings-plans, spot, services, egress: some of them, by commas",
    "dry-run": "show what would change and write nothing",
    "json": "print JSON only",
}


@task(help=_HELP)
def refresh(
    _context: Any,
    *,
    env: str | None = None,
    region: str | None = None,
    only: str | None = None,
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Ask AWS for today's prices, show what changes, and keep them in prices/."""
    from datetime import UTC, datetime

    from provision.catalog.prices.load import FOLDER, load, written
    from provision.planning.cost.price_diff import compare
    from provision.report import cost_refresh as report

    choice = choose(env)
    folder, now = choice.folder / FOLDER, datetime.now(UTC)
    before, own = load(folder=folder, by_hand=False), written(folder)
    sources = _sources(only)
    answer = _ask(choice.load(), region, sources, now)
    diff = compare(before, answer)
    if not json:
        print(report.text(diff, answer))
    if not dry_run:
        _write(folder, own, answer)
    if json:
        date = now.date().isoformat()
        emit_json(report.document(diff, answer, price_date=date, written=not dry_run))


def _sources(only: str | None) -> frozenset[Source]:
    from provision.catalog.prices.answer import Source

    if only is None:
        return frozenset(Source)
    try:
        return frozenset(Source(name.strip()) for name in only.split(","))
    except ValueError as error:
        raise UsageError(f"--only: {error}", hint=f"known: {', '.join(Source)}") from error


def _ask(
    environment: Environment, region: str | None, sources: Collection[Source], now: datetime
) -> Answer:
    """Asks about every type of the catalogue that is sold there."""
    from provision.catalog.lookup import unknown
    from provision.catalog.regions import regions
    from provision.connectors.price_terms import Market
    from provision.connectors.prices import ask

    place = region or environment.region
    if place not in regions():
        raise unknown("region", place, regions())
    types = sorted(regions()[place])
    if not types:
        raise UsageError(f"none of the catalogue's types is sold in {place}")
    progress(f"asking AWS for {', '.join(sorted(sources))} in {place}")
    try:
        return ask(environment, Market(place, types), sources, now)
    except CloudError:
        progress("nothing was written: the prices stay as they were")
        raise


def _write(folder: Path, own: Any, answer: Answer) -> None:
    from provision.catalog.prices.answer import renewed
    from provision.executor.price_files import write

    done = write(folder, renewed(own, answer))
    progress(f"written: {', '.join(path.name for path in done.files)} in {folder}")
    if done.previous:
        progress(f"the ones before are in {done.previous}")
