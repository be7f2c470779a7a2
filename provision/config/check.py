"""What is wrong with an environment beyond its own file: catalogue, timeouts, guards.

Problems keep a deploy from working. Guards are what we refuse to build at all. Warnings are
choices that a person may make, once they know.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from provision.config import catalogue, parse, relations
from provision.config.environment import Environment, Purchase, Scheme
from provision.config.load import environment_file, read_document
from provision.config.schema import concerns
from provision.config.timeouts import chain
from provision.errors import ConfigError, Problem, Refused


@dataclass(frozen=True, slots=True)
class Checked:
    """An environment by name and all that can be said about it.

    ``environment`` is None when its file, ``source``, can't be read as one.
    """

    name: str
    source: str
    environment: Environment | None
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it can be deployed."""
        return not self.problems


def examine(name: str, *, folder: Path, standing: Path | None = None) -> Checked:
    """Read the environment *name* and check it. Problems are in the answer, never raised."""
    try:
        source = environment_file(name, folder=folder, standing=standing)
        reading = parse.examine(name, read_document(source))
    except ConfigError as error:
        return Checked(name, error.source, None, error.problems)
    if reading.environment is None:
        return Checked(name, str(source), None, reading.problems)
    known = [problem.path for problem in reading.problems]
    news = [
        problem
        for problem in check(reading.environment)
        if not any(concerns(path, problem.path) for path in known)
    ]
    if reading.problems:
        return Checked(name, str(source), None, (*reading.problems, *news))
    environment = reading.environment
    return Checked(name, str(source), environment, tuple(news), warnings(environment))


def check(environment: Environment) -> tuple[Problem, ...]:
    """Everything wrong with a parsed environment; empty when it can be deployed."""
    return (
        *catalogue.problems(environment),
        *chain(environment.engine).problems(),
        *guards(environment),
    )


def guards(environment: Environment) -> tuple[Problem, ...]:
    """What we refuse to build: exit code 3 where something would be made."""
    balancer = environment.load_balancer
    if balancer.scheme is Scheme.INTERNET_FACING and balancer.certificate_arn is None:
        message = "is missing: keys and prompts would cross the internet in clear"
        hint = "name an ACM certificate, or write load_balancer.scheme: internal"
        return (Problem("load_balancer.certificate_arn", message, hint),)
    return ()


def provisioning_problems(environment: Environment) -> tuple[Problem, ...]:
    """:func:`check`, and what must be settled before AWS resources are made.

    The rules between keys are asked again: a value need not come from a file.
    """
    found = (*relations.check(environment), *check(environment))
    if environment.fleet.ami is not None:
        return found
    unpinned = Problem(
        "fleet.ami",
        "is not pinned: hosts would differ in their drivers",
        f"run `fab config.refresh-ami --env {environment.name}`",
    )
    return (*found, unpinned)


def require_provisionable(environment: Environment, *, source: str) -> None:
    """Raise ConfigError (exit 2) for problems, or Refused (exit 3) where only guards object."""
    refused = guards(environment)
    found = provisioning_problems(environment)
    if set(found) - set(refused):
        raise ConfigError(source, found)
    if refused:
        first = refused[0]
        raise Refused(f"{source}: {first.path} {first.message}", hint=first.hint)


def warnings(environment: Environment) -> tuple[Problem, ...]:
    """Choices with a price that doesn't show in the file."""
    return (*catalogue.warnings(environment), *_fleet(environment), *_doors(environment))


def _fleet(env: Environment) -> Iterator[Problem]:
    fleet = env.fleet
    if fleet.hosts == 1:
        yield Problem("fleet.hosts", "one host: every restart of it is an outage")
    if fleet.zones > fleet.hosts:
        message = f"{fleet.zones} zones for {fleet.hosts} host(s): a new host may start in a zone"
        yield Problem("fleet.zones", f"{message} that has no cache volume, and fetch all weights")
    if fleet.purchase is Purchase.SPOT:
        yield Problem("fleet.purchase", "AWS takes spot hosts back with two minutes' notice")
    if fleet.ami is None:
        hint = f"run `fab config.refresh-ami --env {env.name}`"
        yield Problem("fleet.ami", "is not pinned yet: `pulumi up` will refuse", hint)


def _doors(env: Environment) -> Iterator[Problem]:
    if "0.0.0.0/0" in env.load_balancer.allowed_cidrs:
        message = "everyone may knock: only the client keys protect the engine's time"
        yield Problem("load_balancer.allowed_cidrs", message, "name your clients' networks")
