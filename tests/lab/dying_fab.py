"""`fab` that dies at a chosen place: ``python -m tests.lab.dying_fab WHERE N TASK...``

It kills itself, as the kernel would, at the step with the number N (from 0) of what it carries out:

    begun    the entry stands in the journal, nothing was done
    done     it was done, the journal does not say so
    written  the journal says so

Nothing of `fab` knows of this: the journal's own method is wrapped from outside.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from fabric.main import program

from provision.executor.journal import Journal

PLACES = ("begun", "done", "written")


def die_at(place: str, number: int) -> None:
    """Let this process die there."""
    around, steps = Journal.around, itertools.count()

    def watched(
        self: Journal, wave: str, host: str, step: str, act: Callable[[], Any], **more: Any
    ) -> Any:
        ours = next(steps) == number

        def acting() -> Any:
            _die(ours and place == "begun")
            result = act()
            _die(ours and place == "done")
            return result

        result = around(self, wave, host, step, acting, **more)
        if ours and place == "written":
            self.renew()
            _die(True)
        return result

    Journal.around = watched  # type: ignore[method-assign]


def _die(now: bool) -> None:
    if now:
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Take the place off the command line, and be `fab`."""
    place, number, *words = sys.argv[1:]
    assert place in PLACES
    die_at(place, int(number))
    sys.argv = ["fab", *words]
    program.run()


if __name__ == "__main__":
    main()
