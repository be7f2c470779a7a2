"""Every resource of the program, collected by running it under mocks: nothing is asked, nothing
is made, and no second list can go stale."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from pulumi.runtime import mocks

from infra.mock_run import plain, run_apart, run_program
from provision.planning.cost.declared import Declared

_ACCOUNT = "000000000000"
_ZONES = "abcdef"


def collect(program: Callable[[], object], *, region: str, stack: str) -> tuple[Declared, ...]:
    """What *program* declares in *region*, in order of name and type.

    Data sources are answered as if *region* had six zones that sell everything: whoever asks for
    a price asks the catalogue whether it is sold. Safe to call inside a running Pulumi program.
    """
    answers = _Answers(region)

    def run() -> None:
        monitor = _Monitor(answers)
        run_program(program, answers, monitor=monitor, project="llm-fleet", stack=stack)

    run_apart(run)
    return tuple(sorted(answers.found, key=lambda each: (each.name, each.type)))


class _Answers(mocks.Mocks):
    """Says that everything was made, and notes what it was."""

    def __init__(self, region: str) -> None:
        self.found: list[Declared] = []
        self.parents: dict[tuple[str, str], str] = {}
        self._lock = threading.Lock()
        zones = [region + letter for letter in _ZONES]
        self._lookups: Mapping[str, dict[str, Any]] = {
            "aws:index/getCallerIdentity:getCallerIdentity": {"accountId": _ACCOUNT},
            "aws:index/getAvailabilityZones:getAvailabilityZones": {"names": zones},
            "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": {"locations": zones},
            "aws:ec2/getVpc:getVpc": {"cidrBlock": "10.0.0.0/16"},
            "aws:ec2/getManagedPrefixList:getManagedPrefixList": {},
            "aws:ssm/getParametersByPath:getParametersByPath": {"names": [], "values": []},
        }

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        """Answer a data source."""
        return {"id": args.args.get("id", args.token), **self._lookups[args.token]}, []

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        """Note a resource; its id is its name, so that references to it can be followed."""
        inputs = plain(args.inputs)
        parent = self.parents[args.typ, args.name]
        with self._lock:
            self.found.append(Declared(args.typ, args.name, parent, inputs))
        return args.name, {**_known_after(args.name), **inputs}


class _Monitor(mocks.MockMonitor):
    """The SDK's mock monitor keeps a resource's parent to itself: note it."""

    def __init__(self, answers: _Answers) -> None:
        super().__init__(answers)
        self._answers = answers

    def RegisterResource(self, request: Any) -> Any:  # the gRPC method's name
        parent = request.parent.split("::")
        is_component = len(parent) > 1 and not parent[-2].endswith("pulumi:pulumi:Stack")
        self._answers.parents[request.type, request.name] = parent[-1] if is_component else ""
        register: Callable[[Any], Any] = super().RegisterResource
        return register(request)


def _known_after(name: str) -> dict[str, Any]:
    """What AWS would answer, as far as the program computes with it."""
    return {
        "arn": f"arn:aws:made:::{name}",
        "arnSuffix": f"made/{name}",
        "dnsName": f"{name}.example",
        "keyId": name,
        "latestVersion": 1,
        "publicIp": "192.0.2.1",
        "repositoryUrl": f"{_ACCOUNT}.example/{name}",
    }
