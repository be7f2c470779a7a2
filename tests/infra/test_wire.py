"""The program as Pulumi runs it: over the SDK's own gRPC channel, here to a monitor on loopback
that writes down what is registered. What an engine would do with it, the SDK's mocks play."""

from __future__ import annotations

import asyncio
import runpy
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import grpc
import pulumi
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime import configure, settings
from pulumi.runtime.proto import (
    engine_pb2,
    engine_pb2_grpc,
    resource_pb2,
    resource_pb2_grpc,
)
from pulumi.runtime.stack import run_in_stack

from infra.collect import _Answers, _Monitor
from infra.mock_run import answering_nothing, event_loop, run_apart
from infra.program import declare
from provision.config.environment import BudgetSettings
from provision.errors import Refused
from tests.infra.scenes import PUBLIC_KEY, ROOT, described, scene

STACK = ("pulumi:pulumi:Stack", "llm-fleet-prod")


class Monitor(resource_pb2_grpc.ResourceMonitorServicer):
    """Takes every registration, and keeps type and name; keeps what the stack puts out."""

    def __init__(self) -> None:
        self.registered: list[tuple[str, str]] = []
        self.outputs: dict[str, Any] = {}
        self._played = _Monitor(_Answers("us-east-1"))

    def RegisterResource(self, request: Any, context: Any) -> Any:
        self.registered.append((request.type, request.name))
        return self._in_a_program(lambda: self._played.RegisterResource(request))

    def Invoke(self, request: Any, context: Any) -> Any:
        return self._in_a_program(lambda: self._played.Invoke(request))

    def RegisterResourceOutputs(self, request: Any, context: Any) -> Any:
        if STACK[0] in request.urn:
            self.outputs = dict(request.outputs)
        return empty_pb2.Empty()

    def SupportsFeature(self, request: Any, context: Any) -> Any:
        return resource_pb2.SupportsFeatureResponse(hasSupport=request.id != "outputValues")

    def GetDeploymentInfo(self, request: Any, context: Any) -> Any:
        return self._played.GetDeploymentInfo(request)

    def SignalAndWaitForShutdown(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    def _in_a_program(self, answer: Callable[[], Any]) -> Any:
        """The mocks look at the SDK's settings, and a thread of the server has none."""
        own = settings.SETTINGS
        own.stack, own.project = "prod", "llm-fleet"
        features = self._played.GetDeploymentInfo(empty_pb2.Empty()).supportedFeatures
        own.monitor_features = set(features)
        return answer()


class Engine(engine_pb2_grpc.EngineServicer):
    """Hears the log."""

    def Log(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    def GetRootResource(self, request: Any, context: Any) -> Any:
        return engine_pb2.GetRootResourceResponse()

    def SetRootResource(self, request: Any, context: Any) -> Any:
        return engine_pb2.SetRootResourceResponse()


Run = Callable[[Callable[[], object]], Monitor]


@pytest.fixture(params=[True, False], ids=["preview", "up"])
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Runs a program over the channel; says what was registered, also after a failure."""
    monitor = Monitor()
    loops: list[asyncio.AbstractEventLoop] = []

    def begin() -> None:
        loops.append(asyncio.new_event_loop())
        asyncio.set_event_loop(loops[-1])

    threads = ThreadPoolExecutor(4, initializer=begin)
    server = grpc.server(threads)
    resource_pb2_grpc.add_ResourceMonitorServicer_to_server(monitor, server)
    engine_pb2_grpc.add_EngineServicer_to_server(Engine(), server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()

    def over_the_wire(program: Callable[[], object]) -> Monitor:
        def work() -> None:
            configure(
                settings.Settings(
                    project="llm-fleet",
                    stack="prod",
                    monitor=address,
                    engine=address,
                    dry_run=request.param,
                )
            )
            settings.set_root_resource(None)  # type: ignore[arg-type]
            with event_loop() as loop:
                loop.run_until_complete(run_in_stack(answering_nothing(program)))

        run_apart(work)
        return monitor

    over_the_wire.monitor = monitor  # type: ignore[attr-defined]
    yield over_the_wire
    server.stop(None).wait()
    threads.shutdown()
    for loop in loops:
        loop.close()


def exported(usd: float) -> Callable[[], None]:
    """The program of prod with a budget, as infra/__main__.py exports it."""
    environment = replace(described("prod"), budget=BudgetSettings(max_monthly_usd=usd))

    def program() -> None:
        for name, value in declare(environment, public_key=PUBLIC_KEY).items():
            pulumi.export(name, value)

    return program


def test_over_budget_pulumi_hears_of_no_resource(run: Run) -> None:
    """Only of the stack itself, in a preview and in an `up` without one."""
    with pytest.raises(Refused, match=r"budget\.max_monthly_usd allows \$1,000\.00"):
        run(exported(1000.0))
    assert run.monitor.registered == [STACK]  # type: ignore[attr-defined]


def test_within_budget_the_resources_are_registered_once(run: Run) -> None:
    """The estimate leaves no trace in the real run, and the total is put out."""
    monitor = run(exported(50_000.0))
    own = [each for each in monitor.registered if each[0].startswith("aws:")]
    made = {(one.type, one.name) for one in scene("prod").provisioned.declared}
    assert made <= set(own)
    assert len(own) == len(set(own))
    assert Decimal(monitor.outputs["estimated_monthly_usd"]) > 1000


def test_a_refusal_reaches_the_person_without_a_traceback(run: Run, monkeypatch: Any) -> None:
    """RunError is what Pulumi shows as a message: here no public key stands at its place."""
    monkeypatch.setenv("HOME", "/nonexistent")
    program = str(Path(ROOT) / "infra")
    with pytest.raises(pulumi.RunError, match=r"fleet\.ami|llm-fleet_ed25519"):
        run(lambda: runpy.run_path(program, run_name="__main__"))
