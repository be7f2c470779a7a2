"""A folder like the engine's virtual environment, with the quick engine in vLLM's place."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from rehearsal.engine import CACHE

FOLDER = CACHE / "quick-engine"
_PACKAGE = Path(__file__).with_name("vllm")


def ensure(folder: Path = FOLDER) -> Path:
    """Make it anew, and return its interpreter: what ``LLM_FLEET_ENGINE_PYTHON`` names."""
    shutil.rmtree(folder, ignore_errors=True)
    venv = [sys.executable, "-m", "venv", "--without-pip", str(folder)]
    subprocess.run(venv, check=True, capture_output=True, text=True)
    (site,) = folder.glob("lib/python3.*/site-packages")
    shutil.copytree(_PACKAGE, site / "vllm", ignore=shutil.ignore_patterns("__pycache__"))
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "compileall", "-q", str(site)], check=True)
    return python
