"""One warm environment of a function, as Lambda has many: runs by itself, imports nothing of ours.

    python -P function_runtime.py ANSWERS_FD ARCHIVE MODULE.HANDLER

Reads a JSON line for each call from standard input (``event``, ``timeout_s``) and writes one for
each answer to ANSWERS_FD (``payload``, or ``error`` with the words of the exception).
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from typing import Any


class Context:
    """What Lambda tells of a run."""

    def __init__(self, timeout_s: float) -> None:
        self._ends = time.monotonic() + timeout_s

    def get_remaining_time_in_millis(self) -> int:
        """Until it is ended."""
        return max(0, int((self._ends - time.monotonic()) * 1000))


def main(answers: int, archive: str, handler: str) -> None:
    """Answer until standard input ends."""
    sys.path.insert(0, archive)
    module, _, name = handler.rpartition(".")
    function = getattr(importlib.import_module(module), name)
    with os.fdopen(answers, "w", encoding="utf-8") as out:
        for line in sys.stdin:
            asked = json.loads(line)
            print(json.dumps(_call(function, asked)), file=out, flush=True)
            sys.stdout.flush()


def _call(function: Any, asked: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"payload": function(asked["event"], Context(asked["timeout_s"]))}
    except Exception as error:
        traceback.print_exc()
        return {"error": {"errorMessage": str(error), "errorType": type(error).__name__}}


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
