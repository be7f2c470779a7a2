"""What a host lacks before a model can be deployed on it, and how it gets it.

Reads the facts of the hosts; a host that has all of it (a Deep Learning AMI does) gets no step. Two
things are never done: packages are not touched and Docker is not restarted while an engine runs
(installing a package reloads systemd, which takes running containers their GPUs), and drivers are
not installed (they belong to the AMI, which is pinned).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from provision.commands import apt, dnf, docker, toolkit
from provision.commands.command import Command
from provision.commands.first_boot import REPOSITORY
from provision.config.environment import Environment, ToolkitSettings
from provision.errors import Refused
from provision.facts.host import HostFacts
from provision.facts.inventory import Host
from provision.planning import driver
from provision.planning.actions import Run
from provision.planning.plan import Step, Wave

# (summary, reason, command)
Change = tuple[str, str, Command]

AMAZON_LINUX = ("amzn", "2023")


def plan_setup(
    environment: Environment, hosts: Iterable[Host], facts: Mapping[str, HostFacts]
) -> tuple[Wave, ...]:
    """The one wave that sets *hosts* up, () when they lack nothing.

    *facts* holds every host by name. Raises Refused, naming every host that can't be set up and
    why, before anything is planned for the others.
    """
    hosts = tuple(hosts)
    problems = [
        f"{host.name}: {problem}"
        for host in hosts
        for problem in obstacles(environment, facts[host.name])
    ]
    if problems:
        raise Refused(
            "can't set up:\n" + "\n".join(f"  {problem}" for problem in problems),
            hint="mend what is said, or leave these hosts out with --hosts; `fab doctor` looks"
            " closer",
        )
    steps = tuple(
        Step(host, summary, reason, Run(command))
        for host in hosts
        for summary, reason, command in changes(environment.toolkit, facts[host.name])
    )
    return (Wave("set hosts up", steps),) if steps else ()


def obstacles(environment: Environment, facts: HostFacts) -> Iterator[str]:
    """Why this host can't be set up, in words; nothing when it can."""
    system = (facts.os_id or "", facts.os_version or "")
    if system not in apt.PACKAGES and system != AMAZON_LINUX:
        known = ", ".join(" ".join(s) for s in (*apt.PACKAGES, AMAZON_LINUX))
        yield f"{' '.join(system).strip() or 'an unknown system'} is not one of: {known}"
    if facts.architecture not in (None, "x86_64"):
        yield f"its processor is {facts.architecture}; GPU instance types here are x86_64"
    if facts.driver_version is None:
        yield f"no NVIDIA driver answers: {facts.smi_error}; take an AMI that brings one"
    elif old := driver.too_old(
        facts.driver_branch or 0, environment.engine.image, environment.engine.env
    ):
        yield f"{old}; take a newer AMI (`fab config.refresh-ami`) or the image's -cu129 variant"
    if facts.engine_running and (lacking := tuple(changes(environment.toolkit, facts))):
        what = ", ".join(summary for summary, _, _ in lacking)
        yield f"an engine runs, so these must wait: {what}; take the host out of service first"


def changes(settings: ToolkitSettings, facts: HostFacts) -> Iterator[Change]:
    """What this host lacks, in the order in which it is put right."""
    amazon = facts.os_id == "amzn"
    yield from _base_on_amazon(facts) if amazon else _base_with_apt(facts)
    yield from _toolkit(settings, facts, amazon=amazon)


def _base_with_apt(facts: HostFacts) -> Iterator[Change]:
    system = (facts.os_id or "", facts.os_version or "")
    lacking = _lacking(facts)
    packages = apt.PACKAGES.get(system, ())
    if names := [name for name, lack in zip(packages, lacking.values(), strict=False) if lack]:
        yield f"install {' '.join(names)}", _not_there(lacking), apt.install(*names)
    yield from _daemon(facts)


def _base_on_amazon(facts: HostFacts) -> Iterator[Change]:
    lacking = _lacking(facts)
    wanted = {"docker": "docker", "boto3": "python3-boto3"}
    if names := [package for what, package in wanted.items() if lacking[what]]:
        yield f"install {' '.join(names)}", _not_there(lacking), dnf.install(*names)
    if lacking["compose"]:
        yield (
            f"install compose {docker.COMPOSE_VERSION}",
            "no compose; Amazon Linux has no package of it",
            docker.install_compose_plugin(),
        )
    yield from _daemon(facts)


def _daemon(facts: HostFacts) -> Iterator[Change]:
    if facts.docker_version is None:
        reason = "Docker does not answer" if facts.docker_command else "Docker is new on this host"
        yield "start docker, now and at boot", reason, docker.enable()


def _toolkit(settings: ToolkitSettings, facts: HostFacts, *, amazon: bool) -> Iterator[Change]:
    new = facts.toolkit_version is None
    if new:
        if amazon:
            source = settings.rpm_repository_file
            install = dnf.install_from(REPOSITORY, source, toolkit.PACKAGE)
        else:
            source = settings.deb_repository
            install = apt.install_from(REPOSITORY, source, settings.deb_key_url, toolkit.PACKAGE)
        yield f"install {toolkit.PACKAGE} from {source}", "containers can't see the GPU", install
    if new or "nvidia" not in (facts.docker_runtimes or ()):
        reason = "Docker does not know the nvidia runtime"
        yield "tell Docker of the nvidia runtime", reason, toolkit.configure_docker()
        yield "restart docker", "it reads its runtimes at start; no engine runs", docker.restart()


def _lacking(facts: HostFacts) -> dict[str, bool]:
    """In the order of the packages above."""
    return {
        "docker": facts.docker_command is None and facts.docker_version is None,
        "compose": facts.compose is None,
        "boto3": facts.boto3 is False,
    }


def _not_there(lacking: Mapping[str, bool]) -> str:
    names: Sequence[str] = [name for name, lack in lacking.items() if lack]
    return f"no {', no '.join(names)} on the host"
