"""``make test``: unit tests on all cores, then the lab by itself; the last line says how many ran.

python -m tests.run
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
# A file stays together: what its tests share stands up once, and they run in their order.
UNIT = ("-n", "auto", "--dist", "loadfile")
# In one process: there is one machine room, and its engines need the cores.
LAB = ("-m", "(lab or browser) and not soak")


def main() -> int:
    """Exit code 0 when all passed; the second part runs also when the first failed."""
    told: Counter[str] = Counter()
    codes = [_run(part, told) for part in (UNIT, LAB)]
    ran = told["tests"] - told["skipped"]
    failed = told["failures"] + told["errors"]
    sys.stdout.write(f"{ran} tests ran, {failed} failed, {told['skipped']} skipped\n")
    return next((code for code in codes if code), 0)


def _run(words: tuple[str, ...], told: Counter[str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        command = [sys.executable, "-m", "pytest", "-q", *words, f"--junitxml={report}"]
        code = subprocess.run(command, cwd=ROOT).returncode
        if report.exists():
            for suite in ElementTree.parse(report).iter("testsuite"):
                told.update({name: int(suite.get(name, "0")) for name in _COUNTS})
    return code


_COUNTS = ("tests", "failures", "errors", "skipped")

if __name__ == "__main__":
    sys.exit(main())
