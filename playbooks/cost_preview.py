"""The bill of an environment before it exists, or before it changes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from playbooks import amounts
from playbooks.config import ENV_HELP
from playbooks.frame import emit_json, task
from playbooks.place import Place, today
from playbooks.session import Session
from playbooks.usage import overridden
from provision.errors import FleetError, OutputsMissing, UsageError

if TYPE_CHECKING:
    from provision.config.environment import Environment
    from provision.planning.cost.diff import Difference
    from provision.planning.cost.month import Month
    from provision.planning.cost.preview import Carried, Preview

DEPLOYED = "deployed"
_HELP = {
    "env": ENV_HELP,
    "usage": "what a month brings, over the environment's: requests_per_month=5M,fallback_share=2%",
    "against": "show what changes: `deployed`, or a FILE kept with --json",
    "max-monthly": "US dollars; exit 3 when the month costs more",
    "json": "print JSON only",
}


@task(help=_HELP)
def preview(
    _context: Any,
    *,
    env: str | None = None,
    usage: str | None = None,
    against: str | None = None,
    max_monthly: str | None = None,
    json: bool = False,
) -> None:
    """Show the whole bill of an environment, from its Pulumi program, before anything exists."""
    from provision.planning.cost.budget import require_within
    from provision.report import cost_bill, cost_bill_document

    limit = amounts.price("--max-monthly", max_monthly)
    place = Place.choose(env, needed=True)
    shown = previewed(place, usage, against=against)
    if json:
        emit_json(cost_bill_document.document(shown))
    else:
        print(cost_bill.text(shown))
    require_within(shown.bill, limit, said="--max-monthly")


def previewed(place: Place, usage: str | None = None, *, against: str | None = None) -> Preview:
    """The preview of the environment of *place*, with *usage* over its own.

    Raises CatalogError, UsageError, and for ``against="deployed"`` CloudError.
    """
    from dataclasses import replace

    from infra.program import month
    from provision.planning.cost.preview import preview as previewed_of
    from provision.planning.cost.usage import of

    environment = overridden(place.required(), usage)
    priced = month(environment, place.book(), of(environment.usage))
    carried = _carried(replace(place, environment=environment), priced)
    shown = previewed_of(priced, carried, today=today(), notes=_notes(environment))
    if against is None:
        return shown
    if against != DEPLOYED:
        return replace(shown, difference=_difference(shown, _kept(Path(against)), against))
    before, running = _deployed(environment)
    found = _difference(shown, before, "the estimate of the last `pulumi up`")
    warnings = (*shown.warnings, *_counted(running, priced.hosts))
    return replace(shown, difference=found, warnings=warnings)


def _carried(place: Place, priced: Month) -> Carried:
    """What the fleet can answer in a month: as measured, else by the roofline."""
    from provision.catalog.instances import instance_type
    from provision.planning.cost.capacity import capacity, long_enough
    from provision.planning.cost.preview import Carried
    from provision.planning.sizing import require_fit, size

    mix = place.mix(None, None)
    try:
        model = place.model(None)
        settings = long_enough(place.engine(), model, mix)
        sizing = require_fit(size(model, instance_type(place.instance()), settings))
        kept = place.measured(model, place.instance())
    except FleetError as error:
        return Carried(None, error.message)
    found = capacity(sizing, settings, mix, kept)
    if found is None:
        return Carried(None, f"nobody knows how fast {sizing.instance.gpu.name} is")
    return Carried(found.per_month(priced.usage.seconds, priced.hosts), found.said)


def _notes(environment: Environment) -> tuple[str, ...]:
    """What a person should know about where the bill would come due."""
    endpoint = environment.aws.endpoint_url
    if endpoint is None:
        return ()
    return (
        f"AWS is played at {endpoint}: nothing is billed; prices as if in {environment.region}",
    )


def _counted(running: int, priced: int) -> tuple[str, ...]:
    """People scale a group by hand, and no estimate hears of it."""
    said = f"{running} host(s) run at this moment, the bill is for {priced}"
    return (said,) if running != priced else ()


def _difference(shown: Preview, before: Any, said: str) -> Difference:
    from provision.planning.cost.diff import compare
    from provision.planning.cost.document import document

    return compare(before, document(shown.bill), against=said)


def _deployed(environment: Environment) -> tuple[Any, int]:
    """The estimate that the stack published, and how many hosts run."""
    from json import loads

    from provision.planning.cost.document import ESTIMATE_KEY

    with Session(environment) as session:
        data = session.cloud.get_object(ESTIMATE_KEY)
        running = len(session.cloud.inventory())
    if data is None:
        raise OutputsMissing(
            f"{environment.name} was made before estimates were published",
            hint="`pulumi up` publishes one, or keep one with `fab cost.preview --json > FILE`",
        )
    return loads(data), running


def _kept(path: Path) -> Any:
    from json import loads

    try:
        return loads(path.read_text())
    except OSError as error:
        raise UsageError(
            f"--against {path}: {error.strerror}",
            hint="`deployed`, or a file kept with `fab cost.preview --json > FILE`",
        ) from error
    except ValueError as error:
        raise UsageError(f"--against {path} is not JSON: {error}") from error
