"""What set-up does to a host, by operating system, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from provision.config.environment import EngineSettings
from provision.errors import Refused
from provision.facts.host import ContainerFacts, HostFacts
from provision.planning.actions import Run
from provision.planning.setup import plan_setup
from provision.testing import samples

HOSTS = samples.hosts(1)
ENGINE = ContainerFacts("llm-fleet-engine-0", "engine:1", "running", 0, 0, False, "")
NOTHING: dict[str, Any] = {
    "docker_version": None,
    "docker_command": None,
    "compose": None,
    "boto3": False,
    "toolkit_version": None,
    "docker_runtimes": None,
}


def steps(facts: HostFacts) -> list[tuple[str, str]]:
    """Summary and reason of every step, in order."""
    waves = plan_setup(samples.environment(), HOSTS, {HOSTS[0].name: facts})
    return [(step.summary, step.reason) for wave in waves for step in wave.steps]


def commands(facts: HostFacts) -> list[str]:
    """The commands, scripts shortened to their arguments."""
    waves = plan_setup(samples.environment(), HOSTS, {HOSTS[0].name: facts})
    lines = []
    for wave in waves:
        for step in wave.steps:
            assert isinstance(step.action, Run)
            words = [str(word) for word in step.action.command.argv]
            lines.append(" ".join(words[4:] if words[:2] == ["sh", "-euc"] else words))
    return lines


def test_a_deep_learning_ami_lacks_nothing() -> None:
    """Everything is there: no wave, nothing to do."""
    facts = samples.facts(boto3=True)
    assert plan_setup(samples.environment(), HOSTS, {HOSTS[0].name: facts}) == ()


@pytest.mark.parametrize("version", ["22.04", "24.04"])
def test_a_bare_ubuntu(version: str) -> None:
    """Ubuntu's own packages, then NVIDIA's, then one restart at the end."""
    facts = samples.facts(os_version=version, **NOTHING)

    assert steps(facts) == [
        (
            "install docker.io docker-compose-v2 python3-boto3",
            "no docker, no compose, no boto3 on the host",
        ),
        ("start docker, now and at boot", "Docker is new on this host"),
        (
            "install nvidia-container-toolkit from"
            " https://nvidia.github.io/libnvidia-container/stable/deb/amd64",
            "containers can't see the GPU",
        ),
        ("tell Docker of the nvidia runtime", "Docker does not know the nvidia runtime"),
        ("restart docker", "it reads its runtimes at start; no engine runs"),
    ]
    assert commands(facts) == [
        "docker.io docker-compose-v2 python3-boto3",
        "systemctl enable --now docker",
        "llm-fleet-nvidia https://nvidia.github.io/libnvidia-container/stable/deb/amd64"
        " https://nvidia.github.io/libnvidia-container/gpgkey nvidia-container-toolkit",
        "nvidia-ctk runtime configure --runtime=docker",
        "systemctl restart docker",
    ]


def test_a_bare_debian() -> None:
    """The same with Debian's name for compose."""
    facts = samples.facts(os_id="debian", os_version="12", **NOTHING)

    assert commands(facts)[0] == "docker.io docker-compose python3-boto3"


def test_a_bare_amazon_linux() -> None:
    """dnf, and compose from Docker's releases."""
    facts = samples.facts(os_id="amzn", os_version="2023", **NOTHING)

    assert commands(facts) == [
        "dnf -q -y install docker python3-boto3",
        "https://github.com/docker/compose/releases/download/v2.40.3",
        "systemctl enable --now docker",
        "llm-fleet-nvidia https://nvidia.github.io/libnvidia-container/stable/rpm/"
        "nvidia-container-toolkit.repo nvidia-container-toolkit",
        "nvidia-ctk runtime configure --runtime=docker",
        "systemctl restart docker",
    ]


@pytest.mark.parametrize(
    ("lacks", "expected"),
    [
        ({"boto3": False}, ["python3-boto3"]),
        ({"compose": None}, ["docker-compose-v2"]),
        (
            {"docker_version": None, "docker_command": "/usr/bin/docker"},
            ["systemctl enable --now docker"],
        ),
        (
            {"docker_runtimes": ("runc",)},
            ["nvidia-ctk runtime configure --runtime=docker", "systemctl restart docker"],
        ),
    ],
)
def test_only_what_lacks(lacks: dict[str, Any], expected: list[str]) -> None:
    """One thing missing is one thing done; Docker is restarted only for a new runtime."""
    assert commands(samples.facts(**lacks)) == expected


def test_every_host_gets_its_own_steps_in_one_wave() -> None:
    """Hosts are set up side by side; one that lacks nothing is not touched."""
    hosts = samples.hosts(3)
    facts = {host.name: samples.facts(boto3=False) for host in hosts}
    facts["i-2"] = samples.facts()

    (wave,) = plan_setup(samples.environment(), hosts, facts)

    assert set(wave.by_host()) == {"i-1", "i-3"}


class TestRefusals:
    def refused(self, facts: HostFacts, **engine: Any) -> str:
        environment = samples.environment(engine=EngineSettings(**engine))
        with pytest.raises(Refused) as caught:
            plan_setup(environment, HOSTS, {HOSTS[0].name: facts})
        return str(caught.value)

    def test_nothing_is_installed_or_restarted_under_an_engine(self) -> None:
        """A package brings a daemon-reload, and that takes running containers their GPUs."""
        facts = samples.facts(docker_runtimes=("runc",), containers=(ENGINE,))

        assert "i-1: an engine runs, so these must wait: tell Docker of the nvidia runtime" in (
            self.refused(facts)
        )

    def test_an_engine_on_a_host_that_lacks_nothing_is_no_obstacle(self) -> None:
        """The usual second run."""
        facts = samples.facts(containers=(ENGINE,))
        assert plan_setup(samples.environment(), HOSTS, {HOSTS[0].name: facts}) == ()

    def test_a_missing_driver(self) -> None:
        """Drivers belong to the AMI; nvidia-smi's own words are shown."""
        facts = samples.facts(driver_version=None, gpus=None, smi_error="No devices were found")

        assert "i-1: no NVIDIA driver answers: No devices were found" in self.refused(facts)

    def test_a_driver_that_is_too_old_for_the_image(self) -> None:
        """CUDA 13 wants R580."""
        facts = samples.facts(driver_version="570.86.15")

        assert "driver R570 is older than R580, which vllm/vllm-openai:v0.32.0 needs" in (
            self.refused(facts)
        )

    def test_an_unknown_system(self) -> None:
        """All that are known are named."""
        said = self.refused(samples.facts(os_id="centos", os_version="9"))

        assert "centos 9 is not one of: ubuntu 22.04, ubuntu 24.04, debian 12, amzn 2023" in said

    def test_another_processor(self) -> None:
        """Images and instance types here are x86_64."""
        assert "its processor is aarch64" in self.refused(samples.facts(architecture="aarch64"))

    def test_all_hosts_are_named_at_once(self) -> None:
        """Nothing is planned for the good ones before the bad ones are dealt with."""
        hosts = samples.hosts(3)
        bad = samples.facts(driver_version=None, smi_error="gone")
        facts = {"i-1": bad, "i-2": samples.facts(boto3=False), "i-3": replace(bad)}

        with pytest.raises(Refused) as caught:
            plan_setup(samples.environment(), hosts, facts)

        assert "i-1:" in str(caught.value)
        assert "i-2:" not in str(caught.value)
        assert "i-3:" in str(caught.value)
        assert "--hosts" in caught.value.hint
