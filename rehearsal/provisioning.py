"""`pulumi up` for a rehearsal: the real program, its resources made in moto."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from infra.operator_key import read_public_key
from infra.program import declare
from provision.config.environment import Environment
from provision.facts.outputs import Outputs, parse
from rehearsal.aws_resources.account import Account, Recorded
from rehearsal.pulumi_engine import Declared, Engine, run_rehearsed
from rehearsal.pulumi_state import State

PROJECT = "llm-fleet"


@dataclass(frozen=True, slots=True)
class Provisioned:
    """What the program declared, what it put out, and which calls moto could not carry out."""

    outputs: Outputs
    declared: tuple[Declared, ...]
    recorded: tuple[Recorded, ...]


def provision(
    environment: Environment,
    *,
    endpoint_url: str | None = None,
    load_balancer_address: str | None = None,
    public_key: str | None = None,
    on_step: Callable[[str], None] | None = None,
) -> Outputs:
    """Provision *environment* in the moto at *endpoint_url* (None: moto in this process).

    *load_balancer_address* stands in for the load balancer's DNS name; *public_key* is the
    operator's (default: the one next to ``access.identity_file``). *on_step* hears of every
    resource that is made. A second run with the same environment makes nothing and returns the
    same. Raises Refused (a guard, or a changed environment) and CloudError (AWS would refuse).
    """
    return provisioned(
        environment,
        endpoint_url=endpoint_url,
        load_balancer_address=load_balancer_address,
        public_key=public_key,
        on_step=on_step,
    ).outputs


def provisioned(
    environment: Environment,
    *,
    endpoint_url: str | None = None,
    load_balancer_address: str | None = None,
    public_key: str | None = None,
    on_step: Callable[[str], None] | None = None,
) -> Provisioned:
    """Like :func:`provision`, with everything that was declared on the way."""
    key = public_key or read_public_key(environment.access)
    return provisioned_by(
        lambda: declare(environment, public_key=key),
        environment,
        endpoint_url=endpoint_url,
        load_balancer_address=load_balancer_address,
        on_step=on_step,
    )


def provisioned_by(
    program: Callable[[], object],
    environment: Environment,
    *,
    endpoint_url: str | None = None,
    load_balancer_address: str | None = None,
    on_step: Callable[[str], None] | None = None,
) -> Provisioned:
    """Like :func:`provisioned`, for any *program* that declares *environment*."""
    account = Account(
        environment.region,
        endpoint_url=endpoint_url,
        load_balancer_address=load_balancer_address,
    )
    state = State(account, environment.name)
    engine = Engine(account, state, on_step or _ignore)
    try:
        run_rehearsed(program, engine, project=PROJECT, stack=environment.name)
    finally:
        state.save()
    name = f"{environment.parameter_root}/outputs"
    text = account.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
    return Provisioned(
        outputs=parse(text, parameter=name),
        declared=tuple(engine.declared),
        recorded=tuple(account.recorded),
    )


def _ignore(_: object) -> None:
    """Nobody wants to hear it."""
