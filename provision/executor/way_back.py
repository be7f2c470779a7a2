"""After a rollout that failed: what is there now, and the Plan that leads back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from provision.config.environment import Environment
from provision.connectors.protocols import Cloud, Shell
from provision.executor.gather import look_at
from provision.facts.inventory import Inventory
from provision.planning.plan import Plan
from provision.planning.release import CURRENT, parse_current
from provision.planning.restart import plan_return
from provision.planning.rollout import Pace
from provision.planning.situation import Situation


def standing(hosts: Inventory, *, cloud: Cloud, shell: Shell, fleet: Inventory) -> Situation:
    """What *hosts*, some or all of *fleet*, run now, and who is in traffic. Changes nothing."""
    with ThreadPoolExecutor(3) as pool:
        seen = pool.submit(look_at, hosts, shell)
        health = pool.submit(cloud.target_health)
        current = pool.submit(cloud.get_object, CURRENT)
        return Situation(
            inventory=hosts,
            facts=seen.result().facts,
            unreachable=seen.result().unreachable,
            in_traffic=frozenset(one.host for one in health.result() if one.state == "healthy"),
            current=parse_current(current.result()),
            partial=len(hosts) < len(fleet),
        )


def way_back(
    environment: Environment, plan: Plan, *, cloud: Cloud, shell: Shell, pace: Pace
) -> Plan:
    """The Plan that brings the hosts of *plan* back to what they ran before it.

    Empty when it changed nothing, or nothing that takes traffic. Raises what AWS raises.
    """
    fleet = cloud.inventory()
    hosts = Inventory(tuple(host for host in fleet if host.name in plan.expects))
    now = standing(hosts, cloud=cloud, shell=shell, fleet=fleet)
    return plan_return(environment, plan.expects, now, pace)
