"""From an environment to the Plan of its deploy: everything is looked at, nothing is changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from provision.config.environment import Environment
from provision.connectors.protocols import Cloud, Shell
from provision.executor.gather import situation
from provision.executor.target import target_of, with_model
from provision.planning.deploy import plan_deploy
from provision.planning.gateway import Gateway
from provision.planning.pace import CAREFUL, Pace
from provision.planning.plan import Plan
from provision.planning.setup import plan_setup
from provision.secret import Secret


def prepare(
    environment: Environment,
    *,
    cloud: Cloud,
    shell: Shell,
    spare_key: str,
    model: str | None = None,
    hosts: str = "*",
    pace: Pace = CAREFUL,
    accept_downtime: bool = False,
    left_held: Sequence[str] = (),
    way_out: Callable[[Environment], Gateway] | None = None,
) -> Plan:
    """Plan a deploy to the *hosts* of *environment* (names or addresses, shell patterns).

    *model* replaces the environment's; *spare_key* becomes the probe key if there is none;
    *left_held* is as in :func:`provision.executor.gather.standing`; *way_out* looks at the gateway,
    which comes along unless only some hosts were asked for. Raises what sizing, inventory, AWS and
    the guards of :func:`plan_deploy` raise.
    """
    environment = with_model(environment, model)
    outputs = cloud.outputs()
    target = target_of(environment, repository_url=outputs.repository_url)
    fleet = cloud.inventory()
    found = situation(
        cloud=cloud,
        shell=shell,
        target=target,
        fleet=fleet,
        hosts=fleet if hosts == "*" else fleet.select(hosts),
        spare_key=Secret(spare_key),
        left_held=left_held,
    )
    return plan_deploy(
        environment,
        target,
        found,
        setup=plan_setup(environment, found.reachable, found.facts),
        hub_token_secret=outputs.hub_token_secret,
        pace=pace,
        accept_downtime=accept_downtime,
        gateway=way_out(environment) if way_out and not found.partial else None,
    )
