"""``fab --list`` stays light, and every word of it has a line of help."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
HEAVY = ("boto3", "botocore", "httpx", "jinja2", "litellm", "moto", "paramiko", "pulumi", "torch")
IMPORTED = f"""
import json, sys
import playbooks
print(json.dumps(sorted(name for name in {HEAVY!r} if name in sys.modules)))
"""
# In a process of its own: invoke forgets a flag's help once somebody asked for it.
SILENT = """
import json
from playbooks import ns
silent = [name for name in ns.task_names if not (ns[name].__doc__ or "").strip()]
for name in ns.task_names:
    flags = [flag for flag in ns[name].get_arguments() if not flag.help]
    silent += [f"{name} --{flag.name}" for flag in flags]
print(json.dumps(silent))
"""


def ask(program: str) -> Any:
    """What a fresh Python prints."""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_listing_tasks_imports_nothing_heavy() -> None:
    """Connectors and what they stand on are imported by the task that needs them."""
    assert ask(IMPORTED) == []


def test_every_task_and_every_flag_has_a_line_of_help() -> None:
    """What ``fab --list`` and ``fab --help TASK`` show."""
    assert ask(SILENT) == []
