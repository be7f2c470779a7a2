"""The gathering program: real, run as a host would run it."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from provision.agent import gather
from provision.commands.gather import gather as gather_command
from provision.facts.doctor import parse as parse_evidence
from provision.facts.host import HostFacts, parse

SOURCE = Path(gather.__file__).read_text()

SMI = """\
#!/bin/sh
case $1 in
--query-gpu=*) echo "0, NVIDIA A10G, GPU-1, 23028, 512, 580.95.05, 0, Enabled, [N/A]" ;;
--query-compute-apps=*) echo "4242, 512" ;;
esac
"""


def gathered(tmp_path: Path, *, thorough: bool = False, **programs: str) -> HostFacts:
    """What this machine says when *programs* are on its path."""
    for name, text in programs.items():
        program = tmp_path / name.replace("_", "-")
        program.write_text(text)
        program.chmod(0o755)
    command = gather_command(thorough=thorough)
    done = subprocess.run(
        [sys.executable, *map(str, command.argv[1:])],
        input=command.stdin_text(),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )
    assert done.stderr == ""
    return parse(done.stdout)


def test_this_machine_answers(tmp_path: Path) -> None:
    """The program runs on any Linux and its document is understood."""
    facts = gathered(tmp_path, thorough=True)

    assert facts.architecture == os.uname().machine
    assert facts.kernel == os.uname().release
    assert facts.sudo is (os.geteuid() == 0)
    assert facts.memory_gib
    assert facts.root_free_gib
    assert facts.listening is not None
    assert facts.smi_error == "nvidia-smi is not installed"
    assert parse_evidence(facts.raw).modules is not None


def test_what_nvidia_smi_says(tmp_path: Path) -> None:
    """GPUs, driver and processes come from its CSV."""
    facts = gathered(tmp_path, thorough=True, nvidia_smi=SMI)

    assert facts.driver_version == "580.95.05"
    assert facts.driver_branch == 580
    (gpu,) = facts.gpus or ()
    assert (gpu.name, gpu.memory_mib, gpu.used_mib) == ("NVIDIA A10G", 23028, 512)
    assert (gpu.ecc_uncorrected, gpu.persistence, gpu.mig) == (0, True, None)
    assert parse_evidence(facts.raw).compute_pids == ("4242, 512",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            'echo "NVIDIA-SMI has failed because it couldn\'t communicate"; exit 9',
            "couldn't communicate",
        ),
        ("echo 'Failed to initialize NVML: Driver/library version mismatch'", "version mismatch"),
        ("echo 'No devices were found'; exit 6", "No devices were found"),
        ("exit 1", "no answer (exit 1)"),
    ],
)
def test_what_nvidia_smi_says_instead(tmp_path: Path, text: str, said: str) -> None:
    """A failure is kept in its own words, also one that exits with 0."""
    facts = gathered(tmp_path, nvidia_smi=f"#!/bin/sh\n{text}\n")

    assert facts.gpus is None
    assert facts.driver_version is None
    assert said in (facts.smi_error or "")


def test_a_question_that_fails_costs_only_its_own_answer() -> None:
    """Its key is null, the reason is kept, and the others are there."""

    def broken() -> None:
        raise PermissionError("not yours")

    document = gather.ask_all([broken, gather.toolkit])

    assert document["broken"] is None
    assert document["errors"] == {"broken": "PermissionError: not yours"}
    assert "toolkit" in document


def test_a_program_that_hangs_is_given_up() -> None:
    """Its time is limited, and the answer says so."""
    assert gather.run(["sleep", "60"], 0.1) == {
        "exit": 124,
        "out": "",
        "err": "no answer within 0.1 s",
    }


def test_compose_is_found_without_being_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plugin comes before the old program; without either there is none."""
    monkeypatch.setattr(gather, "PLUGIN_FOLDERS", (str(tmp_path),))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gather.compose() is None

    old = tmp_path / "docker-compose"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    assert gather.compose() == ["docker-compose"]

    (tmp_path / "cli-plugins").mkdir()
    old.rename(tmp_path / "cli-plugins" / "docker-compose")
    assert gather.compose() == ["docker", "compose"]


def test_it_is_python_3_9_and_standard_library() -> None:
    """It runs on a host that was never set up: the oldest system brings Python 3.9."""
    tree = ast.parse(SOURCE, feature_version=(3, 9))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= sys.stdlib_module_names


def test_every_answer_is_json(tmp_path: Path) -> None:
    """One document, nothing before it and nothing after."""
    command = gather_command()
    done = subprocess.run(
        [sys.executable, "-"], input=command.stdin_text(), capture_output=True, text=True
    )
    assert set(json.loads(done.stdout)) == {
        *(question.__name__ for question in gather.BASIC),
        "schema",
        "errors",
    }
