"""SSH, set-up and doctor on real hosts: real sshd, apt, Docker, and a bad day for each."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from provision.commands.command import Command, script
from provision.config.environment import (
    AccessSettings,
    EngineSettings,
    Environment,
    ToolkitSettings,
    Transport,
)
from provision.connectors.ssh import FabricShell
from provision.errors import CommandFailed, HostKeyMismatch, HostUnreachable
from provision.executor.gather import look_at
from provision.facts.inventory import Host
from provision.planning.actions import Run
from provision.planning.doctor import diagnose
from provision.planning.finding import State
from provision.planning.setup import plan_setup
from provision.testing import samples
from rehearsal.processes import run
from rehearsal.settings import PACKAGES_PORT
from tests.lab.room import AWS, Room

pytestmark = pytest.mark.lab
FRONT = "hub.rehearsal/nginx:1.28.0"
TRUE = Command(("true",))


@pytest.fixture
def hosts(room: Room) -> tuple[Host, ...]:
    """Both hosts with the keys that they have now."""
    return tuple(host_of(room, name) for name in room.hosts)


def host_of(room: Room, name: str) -> Host:
    machine = room.world.host(name)
    keys = machine.run("sh", "-c", "cat /etc/ssh/ssh_host_*_key.pub").stdout
    said = json.loads((room.world.state / "instances" / f"{name}.json").read_text())
    lines = tuple(line for line in keys.splitlines() if line)
    return Host(name, said["address"], instance_type="g5.xlarge", host_keys=lines)


@pytest.fixture
def access(room: Room) -> AccessSettings:
    """Through the stand-in for the AWS command, as the environment file of a rehearsal says."""
    return AccessSettings(
        transport=Transport.SSM,
        user="root",
        identity_file=str(room.settings.ssh_key),
        aws_command=f"env LLM_FLEET_REHEARSAL={room.world.state} {AWS}",
        connect_timeout_s=3,
    )


@pytest.fixture
def shell(access: AccessSettings) -> Iterator[FabricShell]:
    shell = FabricShell(access, "us-east-1")
    yield shell
    shell.close()


@pytest.fixture
def direct(access: AccessSettings) -> Iterator[FabricShell]:
    shell = FabricShell(replace(access, transport=Transport.DIRECT), "us-east-1")
    yield shell
    shell.close()


@pytest.fixture
def environment(room: Room) -> Environment:
    url = f"http://{room.settings.network.machine}:{PACKAGES_PORT}"
    return samples.environment(
        toolkit=ToolkitSettings(deb_repository=url, deb_key_url=f"{url}/key.gpg"),
        engine=EngineSettings(image="hub.rehearsal/vllm/vllm-openai:v0.32.0"),
    )


class TestSsh:
    @pytest.mark.parametrize("way", ["shell", "direct"])
    def test_both_transports_carry_the_same(
        self, way: str, hosts: tuple[Host, ...], request: pytest.FixtureRequest
    ) -> None:
        """A command, a stream, and a folder of a release's size, on both hosts at once."""
        shell: FabricShell = request.getfixturevalue(way)
        files = {"host.pyz": bytes(range(256)) * 800, "start.sh": b"#!/bin/sh\n"}

        def work(host: Host) -> tuple[str, list[str], str]:
            lines: list[str] = []
            shell.stream(host, Command(("seq", "3")), lines.append)
            shell.upload(host, files, f"/tmp/{way}/r-1")
            name = shell.run(host, Command(("hostname",))).stdout.strip()
            return name, lines, shell.run(host, script(f"cd /tmp/{way}; find . -type f")).stdout

        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(work, hosts))

        assert len({name for name, _, _ in answers}) == 2
        for _, lines, found in answers:
            assert lines == ["1", "2", "3"]
            assert sorted(found.split()) == ["./r-1/host.pyz", "./r-1/start.sh"]

    def test_the_key_of_another_host_is_refused(
        self, shell: FabricShell, hosts: tuple[Host, ...]
    ) -> None:
        """Real sshd, real keys: what the first host published does not let the second one in."""
        impostor = replace(hosts[1], host_keys=hosts[0].host_keys)

        with pytest.raises(HostKeyMismatch, match="but published"):
            shell.run(impostor, TRUE)

    def test_a_host_that_changed_its_key_is_refused_until_it_publishes(
        self, room: Room, shell: FabricShell, hosts: tuple[Host, ...]
    ) -> None:
        """The old key no longer fits; with the new one published all is well."""
        machine = room.world.host(hosts[1].name)
        machine.run("sh", "-c", "rm /etc/ssh/ssh_host_*; ssh-keygen -A; systemctl restart ssh")

        with pytest.raises(HostKeyMismatch, match="its keys were made anew"):
            shell.run(hosts[1], TRUE)
        assert shell.run(host_of(room, hosts[1].name), TRUE)

    def test_a_host_that_is_cut_off(
        self, room: Room, direct: FabricShell, hosts: tuple[Host, ...]
    ) -> None:
        """Unreachable after the connect timeout; the other one works on; back when it is back."""
        room.world.cut(hosts[0].name)
        try:
            with pytest.raises(HostUnreachable, match=r"timed out|no answer within 3 s"):
                direct.run(hosts[0], TRUE)
            assert direct.run(hosts[1], TRUE)
        finally:
            room.world.heal(hosts[0].name)
        assert direct.run(hosts[0], TRUE)

    def test_a_short_cut_is_survived(
        self, room: Room, shell: FabricShell, hosts: tuple[Host, ...]
    ) -> None:
        """A command that runs while the network is away for a second ends as if nothing was."""
        shell.run(hosts[0], TRUE)
        threading.Timer(0.2, room.world.cut, (hosts[0].name,)).start()
        healing = threading.Timer(1.2, room.world.heal, (hosts[0].name,))
        healing.start()
        result = shell.run(hosts[0], script("sleep 1.5; echo done"))
        healing.join()

        assert result.stdout == "done\n"

    def test_an_instance_without_a_host_is_not_connected(
        self, shell: FabricShell, hosts: tuple[Host, ...]
    ) -> None:
        """SSM's own word for it is shown, and what it means."""
        with pytest.raises(HostUnreachable, match="TargetNotConnected") as caught:
            shell.run(replace(hosts[0], name="i-0000000000000dead"), TRUE)

        assert "SSM agent" in caught.value.hint

    def test_a_user_without_sudo_is_told_so(
        self, room: Room, access: AccessSettings, hosts: tuple[Host, ...]
    ) -> None:
        """Nothing is run as somebody else by mistake."""
        room.world.host(hosts[0].name).run(
            *("sh", "-euc"),
            "useradd -m -s /bin/sh -p '*' fleet && cp -r /root/.ssh /home/fleet/"
            " && chown -R fleet: /home/fleet",
        )
        shell = FabricShell(replace(access, user="fleet"), "us-east-1")
        try:
            assert shell.run(hosts[0], Command(("id", "-un"), sudo=False)).stdout == "fleet\n"
            with pytest.raises(CommandFailed) as caught:
                shell.run(hosts[0], TRUE, check=False)
        finally:
            shell.close()

        assert "let fleet use sudo without a password" in caught.value.hint

    def test_a_full_disk_leaves_nothing_half(
        self, shell: FabricShell, hosts: tuple[Host, ...]
    ) -> None:
        """The upload fails with its reason, and the old folder is as it was."""
        shell.run(hosts[0], script("mkdir -p /srv/small; mount -t tmpfs -o size=256k x /srv/small"))
        shell.upload(hosts[0], {"old": b"x"}, "/srv/small/r-1")

        with pytest.raises(CommandFailed, match=r"No space left|Wrote only") as caught:
            shell.upload(hosts[0], {"blob": bytes(2**20)}, "/srv/small/r-1")

        assert "free disk space" in caught.value.hint
        found = shell.run(hosts[0], script("cd /srv/small; find . -mindepth 1")).stdout.split()
        assert sorted(found) == ["./r-1", "./r-1/old"]


def carry_out(shell: FabricShell, environment: Environment, host: Host) -> list[str]:
    """Look at *host*, set it up, and say what was done."""
    facts = look_at([host], shell).facts
    done = []
    for wave in plan_setup(environment, [host], facts):
        for step in wave.steps:
            assert isinstance(step.action, Run)
            shell.run(host, step.action.command)
            done.append(step.summary)
    return done


class TestSetUp:
    """In the order of a life: two bad days, the set-up, and then nothing left to do."""

    def test_a_repository_that_is_down(
        self, shell: FabricShell, environment: Environment, hosts: tuple[Host, ...]
    ) -> None:
        """The error names the host and the setting; the toolkit is not half there."""
        dead = "http://10.97.0.1:9"
        broken = replace(
            environment, toolkit=ToolkitSettings(deb_repository=dead, deb_key_url=f"{dead}/key.gpg")
        )

        with pytest.raises(CommandFailed) as caught:
            carry_out(shell, broken, hosts[0])

        assert "toolkit section" in caught.value.hint
        assert look_at(hosts[:1], shell).facts[hosts[0].name].toolkit_version is None

    def test_a_repository_signed_by_somebody_else(
        self,
        room: Room,
        shell: FabricShell,
        environment: Environment,
        hosts: tuple[Host, ...],
        tmp_path: Path,
    ) -> None:
        """apt itself refuses it, and nothing is installed."""
        stranger = room.world.state / "packages" / "stranger.gpg"
        gpg = ["gpg", "--homedir", str(tmp_path), "--batch", "--quiet", "--passphrase", ""]
        run(*gpg, "--quick-generate-key", "stranger", "ed25519", "sign", "never")
        run(*gpg, "--armor", "--output", stranger, "--export")
        run("gpgconf", "--homedir", str(tmp_path), "--kill", "gpg-agent")
        toolkit = replace(
            environment.toolkit, deb_key_url=f"{environment.toolkit.deb_repository}/stranger.gpg"
        )

        with pytest.raises(CommandFailed, match=r"NO_PUBKEY|not signed") as caught:
            carry_out(shell, replace(environment, toolkit=toolkit), hosts[0])

        assert "toolkit.deb_key_url" in caught.value.hint
        assert look_at(hosts[:1], shell).facts[hosts[0].name].toolkit_version is None

    def test_a_fresh_host_gets_the_toolkit_and_containers_their_gpu(
        self, shell: FabricShell, environment: Environment, hosts: tuple[Host, ...]
    ) -> None:
        """Set up once, a container sees the GPU; set up twice, there is nothing to do."""
        done = carry_out(shell, environment, hosts[0])
        again = carry_out(shell, environment, hosts[0])

        repository = environment.toolkit.deb_repository
        assert done == [
            f"install nvidia-container-toolkit from {repository}",
            "tell Docker of the nvidia runtime",
            "restart docker",
        ]
        assert again == []
        seen = shell.run(
            hosts[0],
            Command(("docker", "run", "--rm", "--gpus", "all", FRONT, "nvidia-smi", "-L")),
        )
        assert seen.stdout.startswith("GPU 0: NVIDIA A10G")

    def test_other_settings_of_docker_are_kept(
        self, shell: FabricShell, hosts: tuple[Host, ...]
    ) -> None:
        """nvidia-ctk adds its runtime to what was there."""
        text = shell.run(hosts[0], Command(("cat", "/etc/docker/daemon.json"))).stdout

        assert set(json.loads(text)) == {"exec-opts", "insecure-registries", "runtimes"}


class TestDoctor:
    """After the set-up, on the host that was set up."""

    def examine(
        self, shell: FabricShell, environment: Environment, host: Host
    ) -> dict[str, tuple[State, str]]:
        facts = look_at([host], shell, thorough=True).facts[host.name]
        now_s = facts.time_s or 0.0
        found = diagnose(environment, host, facts, now_s=now_s)
        return {one.check: (one.state, one.cause) for one in found}

    def test_a_fresh_host_lacks_only_what_a_deploy_brings(
        self, shell: FabricShell, environment: Environment, hosts: tuple[Host, ...]
    ) -> None:
        """No check fails but those for a cache volume (the room's user data claims none) and for
        port 8000, on which the room's own web server sits."""
        found = self.examine(shell, environment, hosts[0])

        failed = {check for check, (state, _) in found.items() if state is State.FAILED}
        assert failed == {"cache-mount", "ports"}
        assert found["nvidia-smi"] == (State.OK, "1 x NVIDIA A10G")
        assert found["container-toolkit"] == (State.OK, "1.20.1")
        assert found["nvidia-runtime"][0] is State.OK

    @pytest.mark.parametrize(
        ("mode", "check", "cause"),
        [
            ("no-driver", "nvidia-smi", "the module is not loaded"),
            ("mismatch", "nvidia-smi", "an upgrade without a reboot"),
            ("unknown-error", "nvidia-smi", "without a reason"),
            ("no-devices", "nvidia-smi", "fallen off the bus"),
            ("lost", "nvidia-smi", "fallen off the bus"),
            ("busy", "gpu-memory", "19874 MiB in use although no engine runs (processes: 4242)"),
            ("ecc", "gpu-memory-errors", "GPU 0: 12"),
            ("mig", "mig", "cut into MIG slices"),
        ],
    )
    def test_each_fault_of_a_gpu(
        self,
        room: Room,
        shell: FabricShell,
        environment: Environment,
        hosts: tuple[Host, ...],
        mode: str,
        check: str,
        cause: str,
    ) -> None:
        """The documented words of nvidia-smi, seen over SSH, become a cause and a command."""
        room.world.gpu_mode(hosts[0].name, mode)
        try:
            state, said = self.examine(shell, environment, hosts[0])[check]
        finally:
            room.world.gpu_mode(hosts[0].name, "ok")

        assert state is State.FAILED
        assert cause in said

    def test_docker_that_does_not_run(
        self, shell: FabricShell, environment: Environment, hosts: tuple[Host, ...]
    ) -> None:
        """Found as that; what hangs on it is unknown, not failed."""
        shell.run(hosts[0], Command(("systemctl", "stop", "docker")))
        try:
            found = self.examine(shell, environment, hosts[0])
        finally:
            shell.run(hosts[0], Command(("systemctl", "start", "docker")))

        assert found["docker"][0] is State.FAILED
        assert found["nvidia-runtime"][0] is State.UNKNOWN
        assert found["containers"][0] is State.UNKNOWN
