"""The programs that stand in on hosts and for the AWS command answer as the real ones do."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from pathlib import Path

import pytest

STAND_INS = Path(__file__).resolve().parents[2] / "rehearsal" / "stand_ins"
INSTANCE = "i-0123456789abcdef0"


def run(name: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(STAND_INS / name), *words],
        capture_output=True,
        text=True,
        timeout=20,
        env={"PATH": os.environ["PATH"], **environment},
    )


@pytest.fixture
def nvidia_smi(tmp_path: Path) -> Path:
    """A copy that reads its mode from a file of this test."""
    program = tmp_path / "nvidia-smi"
    settings = tmp_path / "gpu"
    text = (STAND_INS / "nvidia-smi").read_text().replace("/etc/rehearsal/gpu", str(settings))
    program.write_text(text)
    program.chmod(0o755)
    return program


def ask(program: Path, settings: str, *words: str) -> subprocess.CompletedProcess[str]:
    (program.parent / "gpu").write_text(settings)
    return subprocess.run([str(program), *words], capture_output=True, text=True, timeout=20)


class TestNvidiaSmi:
    def test_lists_gpus(self, nvidia_smi: Path) -> None:
        """One line a GPU, as -L prints them."""
        done = ask(nvidia_smi, "MODE=ok\nGPU=A10G\nCOUNT=2\n", "-L")

        assert done.returncode == 0
        assert done.stdout == (
            "GPU 0: NVIDIA A10G (UUID: GPU-00000000-0000-4000-8000-000000000000)\n"
            "GPU 1: NVIDIA A10G (UUID: GPU-00000000-0000-4000-8000-000000000001)\n"
        )

    def test_answers_queries(self, nvidia_smi: Path) -> None:
        """Fields in the order asked for, with and without header and units."""
        query = "--query-gpu=name,memory.total,memory.used,driver_version"

        bare = ask(nvidia_smi, "GPU=A10G\n", query, "--format=csv,noheader,nounits")
        full = ask(nvidia_smi, "GPU=A10G\n", query, "--format=csv")

        assert bare.stdout == "NVIDIA A10G, 23028, 0, 580.95.05\n"
        assert full.stdout.splitlines()[1] == "NVIDIA A10G, 23028 MiB, 0 MiB, 580.95.05"

    @pytest.mark.parametrize(
        ("mode", "words"),
        [
            ("no-driver", "couldn't communicate with the NVIDIA driver"),
            ("mismatch", "Driver/library version mismatch"),
            ("unknown-error", "Failed to initialize NVML: Unknown Error"),
            ("no-devices", "No devices were found"),
            ("lost", "Unable to determine the device handle"),
        ],
    )
    def test_fails_in_each_documented_way(self, nvidia_smi: Path, mode: str, words: str) -> None:
        """An exit code that is not 0, and the words that people search for."""
        done = ask(nvidia_smi, f"MODE={mode}\n", "-L")

        assert done.returncode != 0
        assert words in done.stdout + done.stderr

    def test_an_old_driver_says_so(self, nvidia_smi: Path) -> None:
        """It works, and is too old for the image."""
        done = ask(
            nvidia_smi,
            "MODE=old-driver\n",
            "--query-gpu=driver_version",
            "--format=csv,noheader",
        )

        assert (done.returncode, done.stdout) == (0, "535.183.01\n")

    def test_refuses_what_it_does_not_know(self, nvidia_smi: Path) -> None:
        """A field that is not there is an error, not an empty answer."""
        assert ask(nvidia_smi, "", "--query-gpu=colour", "--format=csv").returncode != 0
        assert ask(nvidia_smi, "", "--reset").returncode == 64


class TestAws:
    def start(self, state: Path, *words: str) -> subprocess.CompletedProcess[str]:
        session = ("ssm", "start-session", "--target", INSTANCE, "--region", "us-east-1")
        document = ("--document-name", "AWS-StartSSHSession", *words)
        return run("aws", *session, *document, LLM_FLEET_REHEARSAL=str(state))

    @pytest.mark.enable_socket
    def test_carries_a_stream(self, tmp_path: Path) -> None:
        """What the host says comes out of standard output, also after standard input ended."""
        with socket.create_server(("127.0.0.1", 0)) as host:
            (tmp_path / "instances").mkdir()
            (tmp_path / f"instances/{INSTANCE}.json").write_text('{"address": "127.0.0.1"}')
            port = host.getsockname()[1]
            relay = subprocess.Popen(
                [
                    *(str(STAND_INS / "aws"), "ssm", "start-session", "--target", INSTANCE),
                    *("--document-name", "AWS-StartSSHSession"),
                    *("--parameters", f"portNumber={port}"),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={"LLM_FLEET_REHEARSAL": str(tmp_path)},
            )
            connection, _ = host.accept()
            with connection:
                out, _ = _talk(relay, connection, b"SSH-2.0-client\r\n", b"SSH-2.0-host\r\n")

        assert out == b"SSH-2.0-host\r\n"
        assert relay.returncode == 0

    def test_an_instance_that_is_not_there_is_not_connected(self, tmp_path: Path) -> None:
        """The AWS command's own words and exit code."""
        done = self.start(tmp_path)

        assert done.returncode == 254
        assert f"{INSTANCE} is not connected" in done.stderr

    def test_knows_nothing_else(self) -> None:
        """`aws s3 ls` is refused."""
        assert run("aws", "s3", "ls").returncode == 252


def _talk(
    relay: subprocess.Popen[bytes], connection: socket.socket, sent: bytes, answer: bytes
) -> tuple[bytes, bytes]:
    assert relay.stdin is not None
    relay.stdin.write(sent)
    relay.stdin.close()
    relay.stdin = None
    received = b""
    while piece := connection.recv(4096):
        received += piece
    assert received == sent
    connection.sendall(answer)
    connection.close()
    return relay.communicate(timeout=10)


class TestNvidiaCtk:
    def test_adds_its_runtime_and_keeps_the_rest(self, tmp_path: Path) -> None:
        """Docker's configuration is merged, and configured twice is the same as once."""
        daemon = tmp_path / "daemon.json"
        daemon.write_text('{"insecure-registries": ["hub.rehearsal"]}')
        program = tmp_path / "nvidia-ctk"
        text = (STAND_INS / "nvidia-ctk").read_text()
        program.write_text(text.replace("/etc/docker/daemon.json", str(daemon)))
        program.chmod(0o755)
        command = [str(program), "runtime", "configure", "--runtime=docker"]

        for _ in range(2):
            subprocess.run(command, check=True, capture_output=True)

        assert json.loads(daemon.read_text()) == {
            "insecure-registries": ["hub.rehearsal"],
            "runtimes": {"nvidia": {"args": [], "path": "nvidia-container-runtime"}},
        }

    def test_refuses_a_broken_configuration(self, tmp_path: Path) -> None:
        """As the real one: invalid JSON is an error, nothing is overwritten."""
        daemon = tmp_path / "daemon.json"
        daemon.write_text("{")
        program = tmp_path / "nvidia-ctk"
        text = (STAND_INS / "nvidia-ctk").read_text()
        program.write_text(text.replace("/etc/docker/daemon.json", str(daemon)))
        program.chmod(0o755)

        done = subprocess.run(
            [str(program), "runtime", "configure", "--runtime=docker"], capture_output=True
        )

        assert done.returncode == 1
        assert daemon.read_text() == "{"
