"""A Pulumi program run under the SDK's mocks: no engine, no provider, no state."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any

from pulumi.runtime import mocks, rpc, settings
from pulumi.runtime.rpc_manager import RPCManager
from pulumi.runtime.stack import run_in_stack

PROVIDER = "pulumi:providers:aws"


def run_program(
    program: Callable[[], object],
    answers: mocks.Mocks,
    *,
    monitor: mocks.MockMonitor,
    project: str,
    stack: str,
) -> None:
    """Run *program*, answered by *answers*, until all that it declared is registered.

    The SDK keeps one program's state in module globals: they are cleared before and after.
    """
    quiet = logging.getLogger("llm-fleet.pulumi")
    quiet.addHandler(logging.NullHandler())
    quiet.propagate = False
    with event_loop() as loop:
        try:
            _forget()
            mocks.set_mocks(
                answers,
                project=project,
                stack=stack,
                preview=False,
                logger=quiet,
                monitor=monitor,
            )
            _forget()
            loop.run_until_complete(run_in_stack(answering_nothing(program)))
        finally:
            _forget()
            _drop_unfinished(loop)


def run_apart(work: Callable[[], None]) -> None:
    """Run *work* where it can't disturb a Pulumi program that is running in this thread: in a
    thread of its own, with the SDK's state of its own. What *work* raises is raised here."""
    context, failures = copy_context(), []

    def guarded() -> None:
        own = settings.SETTINGS
        own.rpc_manager = RPCManager()  # type: ignore[no-untyped-call]
        own.outputs, own.lock = set(), threading.Lock()
        try:
            work()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=context.run, args=(guarded,), name="pulumi-apart")
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


@contextmanager
def event_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop for one run, and one for each of its threads: the SDK opens those and leaves them."""
    loops = [asyncio.new_event_loop()]

    def begin() -> None:
        loops.append(asyncio.new_event_loop())
        asyncio.set_event_loop(loops[-1])

    threads = ThreadPoolExecutor(max_workers=4, initializer=begin)
    loops[0].set_default_executor(threads)
    # When one resource fails, all that wait for it fail too: the first is raised, that is enough.
    loops[0].set_exception_handler(lambda *_: None)
    asyncio.set_event_loop(loops[0])
    try:
        yield loops[0]
    finally:
        asyncio.set_event_loop(None)
        threads.shutdown()
        for loop in loops:
            loop.close()


def answering_nothing(program: Callable[[], object]) -> Callable[[], None]:
    """The SDK would await what a program returns."""

    def run() -> None:
        program()

    return run


def plain(value: Any) -> Any:
    """Inputs without Pulumi's wrapping: secrets opened, whole numbers whole, absent ones gone."""
    value = rpc.unwrap_rpc_secret(value) if rpc.is_rpc_secret(value) else value
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _drop_unfinished(loop: asyncio.AbstractEventLoop) -> None:
    """After a failure resources still wait for those that will never be made."""
    waiting = asyncio.all_tasks(loop)
    for task in waiting:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*waiting, return_exceptions=True))


def _forget() -> None:
    settings.SETTINGS.rpc_manager.clear()
    settings.SETTINGS.outputs.clear()
    settings.set_root_resource(None)  # type: ignore[arg-type]  # the SDK's own tests do the same
