"""LiteLLM for rehearsal and tests: what the gateway's image has, in a virtual environment.

It lives under the user's cache folder (600 MB), is made once, and is shared by rehearsals and
tests.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from provision.errors import EXIT_DONE, FleetError
from provision.render.gateway_image import LOCK

FOLDER = Path.home() / ".cache" / "llm-fleet" / "gateway"


def python() -> Path:
    """The interpreter that has LiteLLM; :func:`ensure` makes it."""
    return FOLDER / "bin" / "python"


def ensure(say: Callable[[str], None]) -> Path:
    """Install LiteLLM unless exactly the locked versions are there, and return its Python.

    Raises FleetError when pip fails; a half-made environment is made again the next time.
    """
    mark = FOLDER / "installed.lock"
    wanted = LOCK.read_text()
    if mark.exists() and mark.read_text() == wanted:
        return python()
    say("installing LiteLLM for the gateway (600 MB, a minute or two, once)")
    shutil.rmtree(FOLDER, ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(FOLDER)])
    _run(
        [
            *(str(FOLDER / "bin" / "pip"), "install", "-qq", "--require-hashes"),
            *("--only-binary", ":all:", "-r", str(LOCK)),
        ]
    )
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
