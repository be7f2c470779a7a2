"""The cost of an environment on one page that can be sent to anyone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playbooks import amounts
from playbooks import place as place_of
from playbooks.config import ENV_HELP
from playbooks.cost_preview import previewed
from playbooks.frame import emit_json, task
from playbooks.place import Place
from playbooks.usage import overridden
from provision.errors import UsageError

if TYPE_CHECKING:
    from datetime import date
    from decimal import Decimal

    from provision.config.environment import Environment
    from provision.planning.cost.break_even import BreakEven
    from provision.planning.cost.compare import Comparison
    from provision.planning.cost.preview import Preview

APIS = "gpt-4o,claude-haiku-4-5,gpt-4o-mini"
_HELP = {
    "env": ENV_HELP,
    "api": f"hosted models by commas, for the break-even (default: {APIS})",
    "out": "the file to write (default: cost-ENV.html here)",
    "usage": "what a month brings, over the environment's: requests_per_month=5M,fallback_share=2%",
    "pricing": "how the hosts of the break-even are paid: reserved-1y-no-upfront, ...",
    "engineering-monthly": "US dollars for people's time, in the break-even",
    "json": "print JSON only: the file and its figures",
}


@task(help=_HELP)
def report(
    _context: Any,
    *,
    env: str | None = None,
    api: str = APIS,
    out: str | None = None,
    usage: str | None = None,
    pricing: str | None = None,
    engineering_monthly: str = "0",
    json: bool = False,
) -> None:
    """Write bill, break-even and comparison of instances as one HTML file, for people."""
    from provision.report import cost_report
    from provision.report.html.page import Report, page

    place = Place.choose(env, needed=True)
    environment = overridden(place.required(), usage)
    place = replace(place, environment=environment)
    shown, today = previewed(place), place_of.today()
    paid = pricing or place.pricing()
    people = amounts.usd("--engineering-monthly", engineering_monthly)
    names = [name.strip() for name in api.split(",") if name.strip()]
    if not names:
        raise UsageError("--api: which hosted model?", hint=f"say {APIS}")
    made = Report(
        preview=shown,
        break_even=_break_even(place, shown, names, paid, people, today),
        comparison=_comparison(place, environment, today),
        subject=_subject(environment),
        here=environment.fleet.instance_type,
        command=f"fab cost.report --env {environment.name}",
        made_on=today,
    )
    path = _write(Path(out or f"cost-{environment.name}.html"), page(made))
    if json:
        emit_json(cost_report.document(made, path))
    else:
        print(cost_report.text(made, path))


def _break_even(
    place: Place, shown: Preview, apis: list[str], paid: str, people: Decimal, today: date
) -> BreakEven | None:
    """The whole bill against *apis*; None when nobody knows what the fleet carries."""
    from provision.planning.cost.beside import beside_hosts
    from provision.planning.cost.scenario import Scenario, weigh
    from provision.planning.cost.usage import of

    if shown.carried.requests is None:
        return None
    model, usage = place.model(None), of(place.usage())
    scenario = Scenario(
        model=model,
        instance=place.instance(),
        region=place.region(None),
        engine=place.engine(),
        mix=place.mix(None, None),
        hosts=place.hosts(None),
        pricing=paid,
        hours=usage.hours,
        extra=beside_hosts(shown.bill),
        extra_said="all that stands in the bill beside the hosts",
        engineering=people,
        fallback_share=usage.fallback_share,
        fallback_api=place.fallback_api(),
        kept=place.measured(model, place.instance()),
        requests=int(usage.requests) or None,
    )
    return weigh(scenario, apis, place.book(), today=today)


def _comparison(place: Place, environment: Environment, today: date) -> Comparison:
    """Every type that the region sells, for the same model and traffic."""
    from provision.planning.cost.compare import Question, compare
    from provision.planning.cost.usage import of

    model, usage = place.model(None), of(environment.usage)
    question = Question(
        model=model,
        region=environment.region,
        engine=environment.engine,
        mix=place.mix(None, None),
        requests=int(usage.requests) or None,
        hours=usage.hours,
    )
    kept, cache = place.benchmarks(model), environment.model_cache
    return compare(question, place.book(), cache=cache, kept=kept, today=today)


def _subject(environment: Environment) -> str:
    fleet = environment.fleet
    return (
        f"{environment.model.name} on {fleet.hosts} × {fleet.instance_type}, {environment.region}"
    )


def _write(path: Path, text: str) -> Path:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--out {path}: {error.strerror}", hint="name a file here") from error
    return path
