"""``fab --list`` stays light."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
HEAVY = ("boto3", "botocore", "httpx", "jinja2", "litellm", "moto", "paramiko", "pulumi", "torch")
LOOK = f"""
import json, sys
import playbooks
print(json.dumps(sorted(name for name in {HEAVY!r} if name in sys.modules)))
"""


def test_listing_tasks_imports_nothing_heavy() -> None:
    """Connectors and what they stand on are imported by the task that needs them."""
    done = subprocess.run(
        [sys.executable, "-c", LOOK], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == []


SILENT = """
import json
from playbooks import ns
print(json.dumps({
    name: [argument.name for argument in ns[name].get_arguments() if not argument.help]
    for name in ns.task_names
}))
"""


def test_every_task_has_a_line_of_help_and_every_flag_too() -> None:
    """What ``fab --list`` and ``fab --help TASK`` show. Invoke forgets a flag's help once told."""
    from playbooks import ns

    assert [name for name in ns.task_names if not (ns[name].__doc__ or "").strip()] == []
    done = subprocess.run(
        [sys.executable, "-c", SILENT], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == {name: [] for name in ns.task_names}
