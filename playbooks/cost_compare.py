"""Which instance type for a model?"""

from __future__ import annotations

from typing import Any

from playbooks import amounts
from playbooks import place as place_of
from playbooks.frame import emit_json, finish, task
from playbooks.place import Place, requests
from provision.errors import EXIT_REFUSED

HELP = {
    "model": "catalogue name instead of the environment's; alone, needs no environment",
    "env": "environment whose model, engine, region, traffic and benchmarks are taken",
    "region": "where the hosts would stand (default: the environment's, else us-east-1)",
    "instance": "only these types, by commas (default: all that the region sells)",
    "input-tokens": "tokens of a prompt (default: the environment's usage, else 700)",
    "output-tokens": "tokens of an answer (default: the environment's usage, else 100)",
    "requests-per-month": "traffic to count hosts for: 264364, 264k, 5M",
    "tokens-per-month": "the same in tokens, prompts and answers together",
    "peak-factor": "the busiest hour against the average; its inverse is the duty",
    "hours": "of a month; 720 is thirty days",
    "json": "print JSON only",
}


@task(help=HELP, auto_shortflags=False)
def compare(
    _context: Any,
    *,
    model: str | None = None,
    env: str | None = None,
    region: str | None = None,
    instance: str | None = None,
    input_tokens: str | None = None,
    output_tokens: str | None = None,
    requests_per_month: str | None = None,
    tokens_per_month: str | None = None,
    peak_factor: str = "2",
    hours: str = "730",
    json: bool = False,
) -> None:
    """Compare instance types for a model: what fits, what it carries, what a token costs."""
    from provision.config.environment import ModelCacheSettings
    from provision.planning.cost.compare import Question
    from provision.planning.cost.compare import compare as compare_types
    from provision.report import cost_compare as report

    place = Place.choose(env, needed=model is None)
    mix, served = place.mix(input_tokens, output_tokens), place.model(model)
    question = Question(
        model=served,
        region=place.region(region),
        engine=place.engine(),
        mix=mix,
        requests=requests(requests_per_month, tokens_per_month, mix) or place.requests(),
        hours=amounts.between("--hours", hours, 1, 744),
        peak_factor=amounts.between("--peak-factor", peak_factor, 1, 100),
    )
    answer = compare_types(
        question,
        place.book(),
        names=() if instance is None else amounts.names("--instance", instance, most=100),
        cache=place.environment.model_cache if place.environment else ModelCacheSettings(),
        kept=place.benchmarks(served),
        today=place_of.today(),
    )
    if json:
        emit_json(report.document(answer))
    else:
        print(report.text(answer))
    finish(0 if answer.fitting else EXIT_REFUSED)
