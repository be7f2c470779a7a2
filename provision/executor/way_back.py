"""After a rollout that failed: what is there now, and the Plan that leads back."""

from __future__ import annotations

from provision.config.environment import Environment
from provision.connectors.protocols import Cloud, Shell
from provision.executor.gather import standing
from provision.facts.inventory import Inventory
from provision.planning.intent import Intent
from provision.planning.plan import Plan
from provision.planning.situation import Situation
from provision.planning.way_back import plan_return


def concerned(intent: Intent, *, cloud: Cloud, shell: Shell) -> Situation:
    """The hosts that the rollout of *intent* is about, as they are now. Raises what AWS raises."""
    fleet = cloud.inventory()
    mine = (host for host in fleet if intent.whole or host.name in intent.before)
    hosts = Inventory(tuple(mine))
    return standing(hosts, cloud=cloud, shell=shell, fleet=fleet, left_held=intent.held)


def way_back(environment: Environment, intent: Intent, *, cloud: Cloud, shell: Shell) -> Plan:
    """The Plan that brings everything back to what it was before the rollout of *intent*.

    Empty when it changed nothing. Raises what AWS raises.
    """
    return plan_return(environment, intent, concerned(intent, cloud=cloud, shell=shell))
