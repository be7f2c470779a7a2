"""Whether the environment is still as a Plan takes for granted."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from provision.connectors.protocols import Cloud
from provision.planning.plan import Plan
from provision.planning.release import CURRENT, parse_current


def moved_since(plan: Plan, cloud: Cloud) -> tuple[str, ...]:
    """What is different now from the Plan's premise, in words. Raises what AWS raises."""
    with ThreadPoolExecutor(3) as pool:
        found = pool.map(lambda look: look(plan, cloud), (_hosts, _current, _weight))
        return tuple(text for text in found if text)


def _hosts(plan: Plan, cloud: Cloud) -> str:
    expected = plan.premise.hosts
    if expected is None:
        return ""
    now = {host.name for host in cloud.inventory()}
    came, went = sorted(now - expected), sorted(expected - now)
    words = [f"{', '.join(came)} joined"] if came else []
    words += [f"{', '.join(went)} left"] if went else []
    return " and ".join(words)


def _current(plan: Plan, cloud: Cloud) -> str:
    expected = plan.premise.current
    if expected is None:
        return ""
    now = parse_current(cloud.get_object(CURRENT)) or ""
    said = f"booting hosts take {now or 'nothing'} now, not {expected or 'nothing'}"
    return said if now != expected else ""


def _weight(plan: Plan, cloud: Cloud) -> str:
    expected = plan.premise.primary_weight
    if expected is None:
        return ""
    now = cloud.primary_weight()
    if now == expected:
        return ""
    share = "an unknown share" if now is None else f"{now} %"
    return f"our own hosts get {share} of the traffic now, not {expected} %"
