"""What every task shares: errors become one message and an exit code, values become JSON.

Exit codes: 0 done or nothing to do, 1 failed, 2 wrong usage or configuration, 3 refused by a guard.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from invoke.exceptions import Exit
from invoke.tasks import task as invoke_task

from provision.errors import EXIT_FAILED, FleetError, UsageError

F = TypeVar("F", bound=Callable[..., Any])


def task(*arguments: Any, **options: Any) -> Callable[[F], F]:
    """Make a Fabric task whose expected errors end in a message on stderr and an exit code."""

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            try:
                return _said_in_full(function, *args, **kwargs)
            except FleetError as error:
                print(f"error: {error}", file=sys.stderr)
                raise Exit(code=error.exit_code) from error
            except BrokenPipeError as error:
                _stop_printing()
                raise Exit(code=EXIT_FAILED) from error
            except KeyboardInterrupt as error:
                print("interrupted", file=sys.stderr)
                raise Exit(code=EXIT_FAILED) from error

        wrapped: F = invoke_task(*arguments, **options)(guarded)
        return wrapped

    return decorate


def _said_in_full(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What a task prints leaves here, not at Python's end, where nobody can answer for it."""
    try:
        return function(*args, **kwargs)
    finally:
        sys.stdout.flush()


def _stop_printing() -> None:
    """Whoever reads (`| head`, a pager) has seen enough: what is left to say goes nowhere, so that
    Python does not complain at its end either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def emit_json(value: Any) -> None:
    """Print *value* as JSON, and nothing else, on stdout."""
    print(json.dumps(value, indent=2, sort_keys=True, default=str))


def finish(code: int) -> None:
    """End the task with an exit code other than 0."""
    if code:
        raise Exit(code=code)


def progress(line: str) -> None:
    """One line of progress, on stderr so that ``--json`` stays clean."""
    print(line, file=sys.stderr, flush=True)


def confirm(question: str) -> bool:
    """Ask on the terminal; only "y" and "yes" mean yes. Raises UsageError where nobody is there."""
    if not sys.stdin.isatty():
        raise UsageError(f"nobody is there to answer: {question}", hint="add --yes")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return input().strip().lower() in ("y", "yes")
