"""Planning a deploy to 1,000 hosts: from their answers to the printed Plan, in this process.

python -m bench.planning
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

from bench.measure import ROOT, median_seconds, table, verdict
from provision.config.load import load
from provision.executor.target import target_of
from provision.facts.host import parse
from provision.facts.inventory import Inventory
from provision.planning.deploy import plan_deploy
from provision.planning.plan import Plan
from provision.planning.setup import plan_setup
from provision.planning.situation import Situation
from provision.report import plan as plan_report
from provision.testing import samples

HOSTS = 1000
RUNS = 5
MOST_S = 1.0


def main() -> None:
    """Print the table."""
    environment = load("prod", folder=ROOT)
    target = target_of(environment, repository_url=samples.REPOSITORY_URL)
    hosts = samples.hosts(HOSTS)
    names = [host.name for host in hosts]
    facts = samples.facts()
    nothing = samples.facts(
        docker_version=None, compose=None, docker_runtimes=None, toolkit_version=None
    )
    fresh = Situation(Inventory(hosts), dict.fromkeys(names, facts), hub_token=True)
    bare = replace(fresh, facts=dict.fromkeys(names, nothing))
    serving = replace(
        fresh,
        facts=dict.fromkeys(names, samples.serving(target.release.id)),
        in_traffic=frozenset(names),
        published=True,
        weights_published=True,
        mirrored={image.target: True for image in target.images},
        current=target.release.id,
    )

    def plan(situation: Situation) -> Plan:
        setup = plan_setup(environment, situation.reachable, situation.facts)
        return plan_deploy(environment, target, situation, setup=setup)

    answer, longest = a_host_answers(), plan(bare)
    rows = [
        _row("read their answers", f"{len(answer) / 1024:.0f} KiB each", lambda: _read(answer)),
        *(
            _row(f"plan: {name}", f"{_steps(plan(situation))} steps", lambda s=situation: plan(s))
            for name, situation in (
                ("bare hosts", bare),
                ("hosts without a release", fresh),
                ("nothing to do", serving),
            )
        ),
        _row("print the longest plan", "", lambda: plan_report.text(longest)),
    ]
    print(table((f"{HOSTS:,} hosts", "", "seconds", "below", "kept"), rows))


def a_host_answers() -> str:
    """What the gathering program prints on this machine."""
    program = (ROOT / "provision/agent/gather.py").read_text()
    words = [sys.executable, "-"]
    return subprocess.run(words, input=program, capture_output=True, text=True, check=True).stdout


def _read(answer: str) -> None:
    for _ in range(HOSTS):
        parse(answer)


def _steps(plan: Plan) -> int:
    return sum(len(wave.steps) for wave in plan)


def _row(name: str, size: str, work: Callable[[], object]) -> tuple[str, ...]:
    seconds = median_seconds(work, RUNS)
    return name, size, f"{seconds:.3f} s", f"{MOST_S:.0f} s", verdict(seconds < MOST_S)


if __name__ == "__main__":
    main()
