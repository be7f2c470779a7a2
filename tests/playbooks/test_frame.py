"""What all tasks share."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_a_reader_who_has_seen_enough(flags: tuple[str, ...]) -> None:
    """`fab ... | head -1`: what nobody reads is not a traceback."""
    words = [
        sys.executable,
        "-m",
        "fabric",
        "plan",
        "--model",
        "mistral-7b",
        "--instance",
        "g5.xlarge",
        *flags,
    ]
    process = subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    said = process.stderr.read()
    process.stderr.close()
    assert (process.wait(), said) == (1, "")
