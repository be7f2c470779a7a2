"""How long planning takes for 1,000 hosts: ``python bench/planning.py`` prints one line."""

from __future__ import annotations

import time

from provision.facts.inventory import Inventory
from provision.planning.deploy import Situation, Target, plan_deploy
from provision.planning.plan import ImageSpec
from provision.planning.release import assemble
from provision.planning.setup import plan_setup
from provision.report import plan as report
from provision.testing import samples

HOSTS = 1000
BUDGET_S = 1.0


def main() -> None:
    """Plan a first deploy and print it, as `fab deploy` would."""
    release = assemble("mistral-7b", {"host.pyz": b"x" * 200_000, "engine.yaml": "m: 1\n"}, {})
    image = ImageSpec(f"{samples.REPOSITORY_URL}:engine-0123456789ab", "vllm/vllm-openai:v0", None)
    target = Target(release, (image,), "mistralai/Mistral", "abc", "weights/mistral-7b/abc")
    hosts = samples.hosts(HOSTS)
    bare = samples.facts(docker_version=None, docker_command=None, toolkit_version=None)
    facts = {host.name: bare for host in hosts}
    environment = samples.environment()

    begun = time.perf_counter()
    setup = plan_setup(environment, hosts, facts)
    plan = plan_deploy(environment, target, Situation(Inventory(hosts), facts), setup=setup)
    planned = time.perf_counter()
    text = report.text(plan)
    shown = time.perf_counter()

    steps = sum(len(wave.steps) for wave in plan)
    print(
        f"{HOSTS} hosts, {steps} steps: planned in {planned - begun:.3f} s, shown in"
        f" {shown - planned:.3f} s ({len(text.splitlines())} lines), budget {BUDGET_S:.0f} s"
    )


if __name__ == "__main__":
    main()
