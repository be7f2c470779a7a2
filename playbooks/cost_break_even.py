"""Someone's API or a fleet of our own?"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from playbooks import amounts
from playbooks import place as place_of
from playbooks.frame import emit_json, task
from playbooks.place import Place, requests
from provision.errors import UsageError

_SLOWEST, _FASTEST = Decimal("0.0001"), 100_000  # requests a second of a host

HELP = {
    "api": "hosted models by commas; 3/15 is one at 3 $ and 15 $ per 1M tokens in and out",
    "env": "environment whose fleet, model, traffic and benchmarks are taken",
    "instance": "instance type instead of the environment's; alone, needs no environment",
    "model": "the model that the fleet serves (default: the environment's, else mistral-7b)",
    "region": "where the fleet stands (default: the environment's, else us-east-1)",
    "pricing": "on-demand, spot, capacity-block, reserved-1y-no-upfront, ... (default: on-demand)",
    "hosts": "hosts that the fleet has at least (default: the environment's, else 1)",
    "input-tokens": "tokens of a prompt (default: the environment's usage, else 700)",
    "output-tokens": "tokens of an answer (default: the environment's usage, else 100)",
    "requests-per-month": "traffic to look at: 264364, 264k, 5M (default: the environment's usage)",
    "tokens-per-month": "the same in tokens, prompts and answers together",
    "extra-monthly": "US dollars for storage, network, load balancer (default: with --env all that"
    " cost.preview finds beside the hosts, in seconds; else 0)",
    "engineering-monthly": "US dollars for people's time",
    "overhead-share": "share added to the price of the hosts: 0.2 or 20%",
    "fallback-share": "share of the requests that an API answers beside the fleet: 0.05 or 5%",
    "fallback-api": "which API that is (default: the environment's, else the one compared)",
    "peak-factor": "the busiest hour against the average; hosts are counted for it",
    "hours": "of a month (default: the environment's usage, else 730); 720 is thirty days",
    "usd-per-hour": "price of a host, instead of the price book's",
    "fleet-monthly": "price of all hosts together, instead of an hourly one",
    "capacity": "requests a second that a host carries, instead of what is known of it",
    "fetch": "first copy what `fab benchmark` measured from the environment's bucket (asks AWS)",
    "json": "print JSON only",
}


@task(help=HELP, auto_shortflags=False)
def break_even(
    _context: Any,
    *,
    api: str = "gpt-4o",
    env: str | None = None,
    instance: str | None = None,
    model: str | None = None,
    region: str | None = None,
    pricing: str | None = None,
    hosts: str | None = None,
    input_tokens: str | None = None,
    output_tokens: str | None = None,
    requests_per_month: str | None = None,
    tokens_per_month: str | None = None,
    extra_monthly: str | None = None,
    engineering_monthly: str = "0",
    overhead_share: str = "0",
    fallback_share: str | None = None,
    fallback_api: str | None = None,
    peak_factor: str = "2",
    hours: str | None = None,
    usd_per_hour: str | None = None,
    fleet_monthly: str | None = None,
    capacity: str | None = None,
    fetch: bool = False,
    json: bool = False,
) -> None:
    """Say from how much traffic on a fleet of our own is cheaper than an API, and if it can be."""
    from provision.planning.cost.scenario import Scenario, weigh
    from provision.report import cost_break_even as report

    if usd_per_hour is not None and fleet_monthly is not None:
        raise UsageError("--usd-per-hour or --fleet-monthly?", hint="one of them")
    place = Place.choose(env, needed=instance is None)
    if fetch:
        place.fetch_benchmarks()
    mix, usage = place.mix(input_tokens, output_tokens), place.usage()
    served, runs_on = place.model(model), instance or place.instance()
    extra, extra_said = _extra(place, extra_monthly)
    share = str(usage.fallback_share) if fallback_share is None else fallback_share
    asked = requests(requests_per_month, tokens_per_month, mix)
    scenario = Scenario(
        model=served,
        instance=runs_on,
        region=place.region(region),
        engine=place.engine(runs_on),
        mix=mix,
        hosts=place.hosts(hosts),
        pricing=pricing or place.pricing(),
        hours=amounts.between("--hours", hours or str(usage.hours_per_month), 1, 744),
        peak_factor=amounts.between("--peak-factor", peak_factor, 1, 100),
        extra=extra,
        extra_said=extra_said,
        engineering=amounts.usd("--engineering-monthly", engineering_monthly),
        overhead=amounts.share("--overhead-share", overhead_share, most=10),
        fallback_share=amounts.share("--fallback-share", share),
        fallback_api=fallback_api or place.fallback_api(),
        usd_per_hour=amounts.price("--usd-per-hour", usd_per_hour),
        fleet_monthly=amounts.price("--fleet-monthly", fleet_monthly),
        requests_per_s=_per_second(capacity),
        kept=place.measured(served, runs_on),
        requests=asked or place.requests(),
    )
    apis = amounts.names("--api", api)
    answer = weigh(scenario, apis, place.book(), today=place_of.today())
    if json:
        emit_json(report.document(answer))
    else:
        print(report.text(answer))


def _per_second(said: str | None) -> Decimal | None:
    return None if said is None else amounts.between("--capacity", said, _SLOWEST, _FASTEST)


def _extra(place: Place, said: str | None) -> tuple[Decimal, str]:
    """What is neither hosts nor people, and in words what that is."""
    if said is not None:
        return amounts.usd("--extra-monthly", said), "all that is neither hosts nor people"
    if place.environment is None:
        return Decimal(0), "storage, network, load balancer: --extra-monthly says more"
    from playbooks.cost_preview import previewed
    from provision.planning.cost.beside import beside_hosts

    bill = previewed(place).bill
    return beside_hosts(bill), "all that `fab cost.preview` finds beside the hosts"
