"""The program as Lambda gets it: the standard library, boto3, and itself."""

from __future__ import annotations

import ast
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SWITCH = ROOT / "provision/switch"


def test_imports_only_what_lambda_has() -> None:
    """The runtime brings boto3; nothing else is packed."""
    names = set()
    for path in SWITCH.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.split(".")[0])
    assert names - sys.stdlib_module_names == {"boto3", "botocore", "provision"}


def test_runs_from_an_archive_of_its_own(tmp_path: Path) -> None:
    """Nothing of the checkout is needed beside the folder: it starts, and asks for its settings."""
    archive = tmp_path / "switch.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in (ROOT / "provision/__init__.py", *SWITCH.glob("*.py")):
            packed.write(path, path.relative_to(ROOT))
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from provision.switch import handler as h\n"
        "from provision.switch.errors import SettingsError\n"
        "assert h.__file__.startswith(sys.argv[1]), h.__file__\n"
        "class Life:\n"
        "    def get_remaining_time_in_millis(self): return 1000\n"
        "try: h.handler({'do': 'look'}, Life())\n"
        "except SettingsError as error: print(error)\n"
    )
    words = [sys.executable, "-c", program, str(archive)]
    ran = subprocess.run(words, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "the function's environment has no SWITCH" in ran.stdout
