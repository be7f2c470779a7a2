"""User data: run for real, against S3 as moto speaks it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from provision.commands.first_boot import set_up_script
from provision.config.environment import AwsSettings, Environment, ModelCacheSettings
from provision.render.units import units
from provision.render.user_data import LIMIT_BYTES, host_facts, render_user_data
from tests.render.releases import LAYOUT, environment

BUNDLE = b"the host program"
SHA256 = hashlib.sha256(BUNDLE).hexdigest()
KEY = f"bootstrap/host-{SHA256[:12]}.pyz"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """S3, with the host program in the bucket."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    s3 = boto3.client(
        "s3",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    s3.create_bucket(Bucket="fleet")
    s3.put_object(Bucket="fleet", Key=KEY, Body=BUNDLE)
    yield url
    server.stop()


def script(environment: Environment, *, sha256: str = SHA256, key: str = KEY) -> str:
    return render_user_data(
        environment,
        bucket="fleet",
        repository_url="registry/llm-fleet",
        target_group_arn="arn:targets",
        bundle_key=key,
        bundle_sha256=sha256,
        set_up=set_up_script(environment.toolkit),
    )


@dataclass
class Machine:
    """A folder in place of a machine's root, and the programs that it has."""

    root: Path
    bin: Path

    def run(self, text: str, *, attempts: int = 3) -> subprocess.CompletedProcess[str]:
        """The script with its paths below the root, and no waiting between attempts."""
        for path in ("/etc/", "/opt/llm-fleet", "/run/"):
            text = text.replace(path, f"{self.root}{path}")
        text = text.replace("retry_s=10\n", "retry_s=0\n")
        text = text.replace("attempts=180\n", f"attempts={attempts}\n")
        keys = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
        return subprocess.run(
            ["sh"],
            input=text,
            capture_output=True,
            text=True,
            env={"PATH": f"{self.bin}:/usr/bin:/bin", **keys},
        )

    def has(self, name: str, text: str) -> None:
        """Put a program on the machine's path."""
        program = self.bin / name
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)

    @property
    def program(self) -> Path:
        return self.root / "opt/llm-fleet/host.pyz"

    def host_json(self) -> Any:
        return json.loads((self.root / "etc/llm-fleet/host.json").read_text())


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """One whose python3 has boto3."""
    machine = Machine(tmp_path / "root", tmp_path / "bin")
    machine.bin.mkdir()
    machine.has("python3", f'exec {sys.executable} "$@"')
    return machine


@pytest.fixture
def rehearsal(endpoint: str) -> Environment:
    return replace(environment("rehearsal"), aws=AwsSettings(endpoint_url=endpoint))


class TestRun:
    def test_it_brings_the_program_the_facts_and_the_units(
        self, machine: Machine, rehearsal: Environment
    ) -> None:
        """Everything that the first boot needs, and nothing half-written beside it."""
        done = machine.run(script(rehearsal))

        assert (done.returncode, done.stderr) == (0, "")
        assert machine.program.read_bytes() == BUNDLE
        assert {path.name for path in machine.program.parent.iterdir()} == {"host.pyz", "set-up.sh"}
        assert (machine.program.parent / "set-up.sh").read_text().startswith("#!/bin/sh\n")
        assert machine.host_json() == host_facts(
            rehearsal,
            bucket="fleet",
            repository_url="registry/llm-fleet",
            target_group_arn="arn:targets",
        )
        folder = machine.root / "etc/systemd/system"
        assert {path.name for path in folder.iterdir()} == set(units())

    def test_it_may_run_twice(self, machine: Machine, rehearsal: Environment) -> None:
        """The second run finds the first one's work and leaves the same."""
        machine.run(script(rehearsal))
        done = machine.run(script(rehearsal))

        assert (done.returncode, done.stderr) == (0, "")
        assert machine.program.read_bytes() == BUNDLE

    def test_the_aws_command_does_where_boto3_is_missing(
        self, machine: Machine, rehearsal: Environment, tmp_path: Path
    ) -> None:
        """The program is fetched with it; boto3 is installed afterwards, for the program."""
        words = tmp_path / "words"
        (tmp_path / "bundle").write_bytes(BUNDLE)
        installed = tmp_path / "installed"
        machine.has("python3", f"[ -e {installed} ]")
        machine.has(
            "aws",
            f'echo "$@" > {words}\nfor last; do :; done\ncp {tmp_path / "bundle"} "$last"',
        )
        machine.has("apt-get", f'case "$*" in *boto3*) : > {installed} ;; esac')
        done = machine.run(script(rehearsal))

        assert (done.returncode, done.stderr) == (0, "")
        assert machine.program.read_bytes() == BUNDLE
        assert words.read_text().split() == [
            *("s3", "cp", "--only-show-errors", "--region", "us-east-1"),
            *("--endpoint-url", str(rehearsal.aws.endpoint_url)),
            *(f"s3://fleet/{KEY}", f"{machine.program}.partial"),
        ]

    def test_packages_are_left_alone_when_nothing_is_missing(
        self, machine: Machine, rehearsal: Environment, tmp_path: Path
    ) -> None:
        """A host without a way to a package repository boots all the same."""
        called = tmp_path / "called"
        for manager in ("apt-get", "dnf"):
            machine.has(manager, f": > {called}")
        machine.run(script(rehearsal))

        assert not called.exists()

    def test_another_program_than_the_named_one_is_refused(
        self, machine: Machine, rehearsal: Environment
    ) -> None:
        """After all attempts: an error that says what was wrong, and no program."""
        done = machine.run(script(rehearsal, sha256="0" * 64))

        assert done.returncode == 1
        assert f"{KEY} does not have sha256 {'0' * 64}" in done.stderr
        assert "gave up after 3 attempts: bootstrap" in done.stderr
        assert not machine.program.exists()

    def test_a_bucket_that_does_not_answer_is_tried_again(
        self, machine: Machine, rehearsal: Environment
    ) -> None:
        """Three attempts here; on a host half an hour."""
        done = machine.run(script(rehearsal, key="bootstrap/missing.pyz"))

        assert done.returncode == 1
        assert [line for line in done.stderr.splitlines() if line.startswith("llm-fleet")] == [
            "llm-fleet user data: attempt 1 failed: bootstrap; again in 0 s",
            "llm-fleet user data: attempt 2 failed: bootstrap; again in 0 s",
            "llm-fleet user data: gave up after 3 attempts: bootstrap",
        ]


class TestText:
    @pytest.mark.parametrize("name", LAYOUT)
    def test_it_is_small_enough_for_ec2(self, name: str) -> None:
        """16 KB before base64, with the longest names that AWS allows."""
        text = render_user_data(
            environment(name),
            bucket="b" * 63,
            repository_url="r" * 255,
            target_group_arn="t" * 255,
            bundle_key=KEY,
            bundle_sha256=SHA256,
            set_up=set_up_script(environment(name).toolkit),
        )

        assert len(text.encode()) < LIMIT_BYTES

    @pytest.mark.parametrize("name", LAYOUT)
    def test_shellcheck_has_nothing_to_say(self, name: str, tmp_path: Path) -> None:
        """As a POSIX script: cloud-init runs it with the system's sh."""
        (tmp_path / "user-data.sh").write_text(script(environment(name)))
        done = subprocess.run(
            ["shellcheck", str(tmp_path / "user-data.sh")], capture_output=True, text=True
        )

        assert (done.returncode, done.stdout) == (0, "")

    def test_it_is_a_shell_script_that_does_not_trace_itself(self) -> None:
        """Cloud-init knows it by its first line; the console shows no values."""
        text = script(environment("prod"))

        assert text.startswith("#!/bin/sh\n")
        assert "set -x" not in text
        assert "--endpoint-url" not in text

    def test_host_facts_are_the_contract_with_the_host_program(self) -> None:
        """Compared whole; the cap leaves one volume a zone beyond the hosts."""
        base = environment("prod")
        cache = ModelCacheSettings(
            size_gib=200, throughput_mibps=250, iops=4000, kms_key_arn="arn:aws:kms:x"
        )
        fleet = replace(base.fleet, hosts=2, max_hosts=4, zones=2)
        facts = host_facts(
            replace(base, model_cache=cache, fleet=fleet),
            bucket="b",
            repository_url="r",
            target_group_arn="t",
        )

        assert facts == {
            "environment": "prod",
            "region": base.region,
            "bucket": "b",
            "parameter_root": "/llm-fleet/prod",
            "secret_root": "llm-fleet/prod",
            "repository_url": "r",
            "target_group_arn": "t",
            "aws_endpoint_url": None,
            "hook": {"group": "llm-fleet-prod", "name": "llm-fleet-prod-leave", "heartbeat_s": 390},
            "cache": {
                "size_gib": 200,
                "throughput_mibps": 250,
                "iops": 4000,
                "kms_key_arn": "arn:aws:kms:x",
                "max_volumes": 6,
            },
        }
