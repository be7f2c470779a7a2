"""The host program as one file."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

from provision.render.bundle import AGENT, host_bundle


def members(bundle: bytes) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(bundle))


def test_it_holds_the_agent_and_nothing_else_of_ours() -> None:
    """Every source of the agent, byte for byte, and the two files that make it a program."""
    archive = members(host_bundle())
    sources = {
        f"provision/agent/{path.relative_to(AGENT).as_posix()}": path.read_bytes()
        for path in AGENT.rglob("*.py")
    }
    held = {name: archive.read(name) for name in archive.namelist()}

    assert {name: held[name] for name in sources} == sources
    assert set(held) - set(sources) == {"__main__.py", "provision/__init__.py"}


def test_it_does_not_depend_on_the_file_system(tmp_path: Path) -> None:
    """Same sources, same bytes: order, dates, modes and caches of a checkout do not matter."""
    for folder, names in (("one", ("a.py", "b.py")), ("two", ("b.py", "a.py"))):
        (tmp_path / folder).mkdir()
        for age, name in enumerate(names):
            path = tmp_path / folder / name
            path.write_text(f"# {name}\n")
            path.chmod(0o600 + age)
            os.utime(path, (age, age))
    (tmp_path / "two" / "__pycache__").mkdir()
    (tmp_path / "two" / "__pycache__" / "a.cpython-311.pyc").write_bytes(b"x")

    assert host_bundle(tmp_path / "one") == host_bundle(tmp_path / "two")


def test_it_changes_with_any_source(tmp_path: Path) -> None:
    """So its digest names the version of the program."""
    (tmp_path / "a.py").write_text("x = 1\n")
    before = host_bundle(tmp_path)
    (tmp_path / "a.py").write_text("x = 2\n")

    assert host_bundle(tmp_path) != before


def test_python_runs_it(tmp_path: Path) -> None:
    """``python3 host.pyz WORDS`` is ``python3 -m provision.agent WORDS``, and ends as it ends."""
    agent = tmp_path / "agent"
    agent.mkdir()
    (agent / "__init__.py").write_text("")
    (agent / "words.py").write_text("EXIT = 7\n")
    (agent / "__main__.py").write_text(
        "import sys\nfrom provision.agent.words import EXIT\nprint(*sys.argv[1:])\nsys.exit(EXIT)\n"
    )
    program = tmp_path / "host.pyz"
    program.write_bytes(host_bundle(agent))
    done = subprocess.run(
        [sys.executable, "-I", str(program), "apply", "--release", "r-1"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )

    assert (done.returncode, done.stdout, done.stderr) == (7, "apply --release r-1\n", "")
