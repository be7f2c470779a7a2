"""How things are spelled on a host: commands compared whole, scripts by shellcheck."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from provision.commands import apt, dnf, docker, host_program, toolkit
from provision.commands.command import Command
from provision.commands.gather import gather
from provision.commands.upload import unpack
from provision.secret import Secret

RELEASE = "r-0123456789ab"
PROGRAM = f"/opt/llm-fleet/releases/{RELEASE}/host.pyz"


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (host_program.apply(RELEASE), f"python3 {PROGRAM} apply --release {RELEASE}"),
        (
            host_program.while_away(host_program.apply(RELEASE), 1795230000.1234567),
            f"python3 {PROGRAM} apply --release {RELEASE} --away-since 1795230000.1234567",
        ),
        (
            host_program.apply(RELEASE, first=True),
            f"python3 {PROGRAM} apply --release {RELEASE} --first",
        ),
        (
            host_program.apply(RELEASE, fetch=True),
            f"python3 /opt/llm-fleet/host.pyz apply --release {RELEASE} --fetch",
        ),
        (
            host_program.wait(RELEASE, timeout_s=1200),
            f"python3 {PROGRAM} wait --release {RELEASE} --timeout 1200",
        ),
        (
            host_program.prepare(RELEASE),
            f"python3 {PROGRAM} prepare --release {RELEASE}",
        ),
        (
            host_program.prepare(RELEASE, fetch=True),
            f"python3 /opt/llm-fleet/host.pyz prepare --release {RELEASE} --fetch",
        ),
        (
            host_program.bake(RELEASE, seconds=30),
            f"python3 /opt/llm-fleet/host.pyz bake --release {RELEASE} --seconds 30",
        ),
        (host_program.status(), "python3 /opt/llm-fleet/host.pyz status"),
        (
            host_program.prove_gpu("registry/engine:1", count=8, program=PROGRAM),
            f"python3 {PROGRAM} prove-gpu --image registry/engine:1 --count 8",
        ),
        (gather(), "python3 -"),
        (gather(thorough=True), "python3 - thorough"),
        (toolkit.configure_docker(), "nvidia-ctk runtime configure --runtime=docker"),
        (docker.restart(), "systemctl restart docker"),
        (docker.enable(), "systemctl enable --now docker"),
        (dnf.install("docker", "python3-boto3"), "dnf -q -y install docker python3-boto3"),
    ],
)
def test_the_whole_line(command: Command, line: str) -> None:
    """What the host's shell gets, and what people see, is this."""
    assert command.shell() == line
    assert command.display() == line


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (host_program.apply(RELEASE, replica=3), f"apply --release {RELEASE} --replica 3"),
        (
            host_program.apply(RELEASE, fetch=True, restart=True, replica=0),
            f"apply --release {RELEASE} --fetch --restart --replica 0",
        ),
        (
            host_program.maintain(lease_s=300, why="a rollout", replica=3),
            "maintain --lease 300 --why 'a rollout' --replica 3",
        ),
        (host_program.drain(timeout_s=150, replica=3), "drain --timeout 150 --replica 3"),
        (host_program.resume(replica=3), "resume --replica 3"),
        (
            host_program.wait(RELEASE, timeout_s=1200, replica=3),
            f"wait --release {RELEASE} --timeout 1200 --replica 3",
        ),
        (
            host_program.bake(RELEASE, seconds=30, replica=3),
            f"bake --release {RELEASE} --seconds 30 --replica 3",
        ),
    ],
)
def test_one_engine_is_changed_by_the_program_that_is_installed(
    command: Command, words: str
) -> None:
    """The agent runs from it too; a release from before may know of no single engines."""
    assert command.shell() == f"python3 /opt/llm-fleet/host.pyz {words}"


def test_waiting_outlives_what_it_waits_for() -> None:
    """The host program's own time limit comes before ours, so that its reason is heard."""
    assert host_program.wait(RELEASE, timeout_s=1200).timeout_s > 1200


def test_the_front_is_asked_with_a_key_that_nobody_sees() -> None:
    """On standard input, as a document; a base model without messages."""
    key = Secret("sk-fleet-probe")
    chat = host_program.ask("mistral-7b", chat=True, key=key, timeout_s=60)
    base = host_program.ask("mistral-7b", chat=False, key=key, timeout_s=60)
    program = "python3 /opt/llm-fleet/host.pyz"
    assert base.shell() == f"{program} ask --model mistral-7b --completion --timeout 60"
    assert chat.shell() == f"{program} ask --model mistral-7b --timeout 60"
    assert "sk-fleet" not in chat.display()
    assert chat.stdin is not None
    assert json.loads(chat.stdin.reveal()) == {"key": "sk-fleet-probe"}


@pytest.mark.parametrize("spell", [host_program.mirror, host_program.seed_weights])
def test_documents_with_secrets_are_masked(spell: object) -> None:
    """They go in as standard input, and show nowhere."""
    command = spell({"registry_password": "hunter2"}, program=PROGRAM)  # type: ignore[operator]

    assert json.loads(command.stdin_text()) == {"registry_password": "hunter2"}
    assert "hunter2" not in command.display() + repr(command)


@pytest.mark.parametrize(
    "command",
    [
        apt.install("docker.io"),
        apt.install_from("name", "http://repo", "http://repo/key", "package"),
        dnf.install_from("name", "http://repo/file.repo", "package"),
        docker.install_compose_plugin(),
        unpack("/opt/llm-fleet/releases/r-1"),
    ],
)
def test_scripts_are_sound(command: Command) -> None:
    """shellcheck has nothing to say about any script, read as POSIX shell."""
    shell, options, text, *_ = command.argv
    assert (shell, options) == ("sh", "-euc")
    checked = subprocess.run(
        [shutil.which("shellcheck") or "shellcheck", "--shell=sh", "-"],
        input=f"set -eu\n{text}",
        capture_output=True,
        text=True,
    )
    assert checked.stdout == ""
    assert checked.returncode == 0


def test_the_repository_is_trusted_for_its_own_key_only() -> None:
    """signed-by names the key file of this repository, and only its list is read anew."""
    text = str(apt.install_from("name", "http://repo", "http://repo/key", "package").argv[2])

    assert "deb [signed-by=/etc/apt/keyrings/$name.$suffix] $url /" in text
    assert "trusted=yes" not in text
    assert "allow-unauthenticated" not in text.lower()
    assert "Dir::Etc::SourceParts=-" in text
