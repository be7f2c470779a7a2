"""Pulumi's engine, played by the SDK's mocks: every resource that the program registers is made."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from botocore.exceptions import ClientError
from pulumi.runtime import mocks

from infra.mock_run import PROVIDER, plain, run_program
from provision.errors import CloudError
from rehearsal.aws_resources.account import Account, Made, Request
from rehearsal.aws_resources.lookups import LOOKUPS
from rehearsal.aws_resources.makers import MAKERS


@dataclass(frozen=True, slots=True)
class Declared:
    """A resource as the program registered it, with the options that mocks don't hand out."""

    type: str
    name: str
    inputs: Mapping[str, Any]
    tags: Mapping[str, str]
    protect: bool = False
    retain_on_delete: bool = False
    ignore_changes: tuple[str, ...] = ()
    depends_on: frozenset[str] = frozenset()  # keys of others

    @property
    def key(self) -> str:
        """What tells it from every other resource of the stack."""
        return f"{self.type}::{self.name}"


class Memory(Protocol):
    """What earlier runs made."""

    def known(self, declared: Declared) -> Made | None:
        """What was made for it, None for one that is new. Raises Refused when it changed."""

    def keep(self, declared: Declared, made: Made) -> None:
        """Remember what was made."""


@dataclass
class Engine(mocks.Mocks):
    """Makes resources one by one in *account*, and tells *on_step* of each."""

    account: Account
    memory: Memory
    on_step: Callable[[str], None]
    declared: list[Declared] = field(default_factory=list)
    default_tags: dict[str, dict[str, str]] = field(default_factory=dict)  # by provider

    def __post_init__(self) -> None:
        self._one_at_a_time = threading.Lock()
        self._options: dict[tuple[str, str], Any] = {}

    def note_options(self, request: Any) -> None:
        """Keep a registration's options until its resource is made."""
        self._options[request.type, request.name] = request

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        """Answer a data source; what AWS refuses is the program's to deal with."""
        try:
            with self._one_at_a_time:
                return LOOKUPS[args.token](self.account, plain(args.args)), []
        except ClientError as error:
            return {}, [("", str(error))]

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        """Make a resource, unless an earlier run did."""
        inputs = plain(args.inputs)
        if args.typ == PROVIDER:
            tags = json.loads(inputs["defaultTags"])["tags"]
            self.default_tags[args.name] = tags
            return args.name, inputs
        if not args.custom:
            return args.name, {}
        with self._one_at_a_time:
            declared = self._declare(args, inputs)
            made = self.memory.known(declared) or self._make(declared)
            self.memory.keep(declared, made)
        return made.id, {**inputs, **made.properties}

    def _declare(self, args: mocks.MockResourceArgs, inputs: dict[str, Any]) -> Declared:
        provider = str(args.provider).rsplit("::", 1)[-1]  # urn::id, and the id is the name
        options = self._options[args.typ, args.name]
        own = inputs.get("tags", {})
        declared = Declared(
            type=args.typ,
            name=args.name,
            inputs=inputs,
            tags={**self.default_tags[provider], **(own if isinstance(own, dict) else {})},
            protect=options.protect,
            retain_on_delete=options.retainOnDelete,
            ignore_changes=tuple(options.ignoreChanges),
            depends_on=frozenset(_key(urn) for urn in options.dependencies),
        )
        self.declared.append(declared)
        return declared

    def _make(self, declared: Declared) -> Made:
        request = Request(declared.type, declared.name, declared.inputs, declared.tags)
        try:
            made = MAKERS[declared.type](self.account, request)
        except ClientError as error:
            raise CloudError(f"{declared.type} {declared.name}: {error}") from error
        self.on_step(f"{declared.type.split(':')[-1]} {declared.name}")
        return made


class _Monitor(mocks.MockMonitor):
    """The SDK's mock monitor drops options such as ``protect``: keep them."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._engine = engine

    def RegisterResource(self, request: Any) -> Any:  # the gRPC method's name
        self._engine.note_options(request)
        register: Callable[[Any], Any] = super().RegisterResource
        return register(request)


def run_rehearsed(
    program: Callable[[], object], engine: Engine, *, project: str, stack: str
) -> None:
    """Run a Pulumi program in *engine* until all that it declared is made."""
    run_program(program, engine, monitor=_Monitor(engine), project=project, stack=stack)


def _key(urn: str) -> str:
    """``urn:pulumi:stack::project::parent$type::name`` as :attr:`Declared.key`."""
    *_, types, name = urn.split("::")
    return f"{types.rsplit('$', 1)[-1]}::{name}"
