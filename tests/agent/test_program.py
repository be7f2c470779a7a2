"""The host program as it is shipped: one file, Python 3.9, nothing of llm-fleet but itself."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import provision.agent
from provision.render.bundle import host_bundle

SOURCES = sorted(Path(provision.agent.__file__).parent.glob("*.py"))
HEAVY = ("boto3", "botocore")
STANDARD_39 = sys.stdlib_module_names


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
class TestSource:
    def test_is_python_3_9(self, path: Path) -> None:
        """Amazon Linux 2023's own Python reads it."""
        ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))

    def test_imports_only_the_standard_library_and_itself(self, path: Path) -> None:
        """boto3 only inside functions: a host that is asked for its status needs no AWS."""
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            for name in _imported(node):
                allowed = name.startswith("provision.agent") or name.split(".")[0] in STANDARD_39
                lazy = name.split(".")[0] in HEAVY and node not in tree.body
                assert allowed or lazy, f"{path.name} imports {name}"

    def test_evaluates_no_new_unions(self, path: Path) -> None:
        """`X | None` outside an annotation is an error before Python 3.10."""
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert _delays_annotations(tree)
        aliases = [
            node
            for node in tree.body
            if isinstance(node, ast.Assign)
            for part in ast.walk(node.value)
            if isinstance(part, ast.BinOp) and isinstance(part.op, ast.BitOr)
        ]
        assert aliases == []


def _delays_annotations(tree: ast.Module) -> bool:
    if len(tree.body) == 1:
        return True  # a docstring has none
    return any(isinstance(n, ast.ImportFrom) and n.module == "__future__" for n in tree.body)


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0
        return [node.module or ""]
    return []


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip as a release holds it."""
    path = tmp_path_factory.mktemp("program") / "host.pyz"
    path.write_bytes(host_bundle())
    return path


def test_runs_alone(program: Path) -> None:
    """Without this repository on its path, and without site packages."""
    words = [sys.executable, "-I", "-S", str(program), "--help"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, cwd="/")
    assert (done.returncode, done.stderr) == (0, "")
    commands = (
        "{apply,prepare,maintain,drain,resume,bake,wait,ask,status,seed-weights,mirror,prove-gpu,boot,"
        "serve}"
    )
    assert commands in done.stdout


def test_a_wrong_call_is_usage(program: Path) -> None:
    """Exit code 2, as everywhere."""
    words = [sys.executable, "-I", "-S", str(program), "apply"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "--release" in done.stderr
