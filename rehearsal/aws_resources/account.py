"""The stand-in for an AWS account: guarded boto3 clients, and what could not be created."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from provision.errors import CloudError
from rehearsal import made_up
from rehearsal.strict.guard import guard, objection


@dataclass(frozen=True, slots=True)
class Request:
    """One resource that the program registered. Tags have the provider's default ones in them."""

    type: str
    name: str
    inputs: Mapping[str, Any]
    tags: Mapping[str, str]

    def given(self, **names: str) -> dict[str, Any]:
        """Parameters of a call from inputs that are there: ``given(CidrBlock="cidrBlock")``."""
        pairs = ((parameter, self.inputs.get(name)) for parameter, name in names.items())
        return {parameter: value for parameter, value in pairs if value is not None}

    def tag_list(self) -> list[dict[str, str]]:
        """Tags as most services want them."""
        return [{"Key": key, "Value": value} for key, value in sorted(self.tags.items())]


@dataclass(frozen=True, slots=True)
class Made:
    """A resource's id, and its properties beyond the inputs."""

    id: str
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A call that moto can't do: checked against service model and rules, not carried out."""

    service: str
    operation: str
    parameters: Mapping[str, Any]


class Account:
    """One moto, in this process (no *endpoint_url*) or behind a URL."""

    def __init__(
        self, region: str, *, endpoint_url: str | None = None, load_balancer_address: str | None
    ) -> None:
        self.region = region
        self.endpoint_url = endpoint_url
        self.load_balancer_address = load_balancer_address
        self.recorded: list[Recorded] = []
        self._clients: dict[str, Any] = {}
        self._session = made_up.session(region)

    @cached_property
    def id(self) -> str:
        """The account's number."""
        return str(self.client("sts").get_caller_identity()["Account"])

    def client(self, service: str) -> Any:
        """A client that refuses what AWS refuses."""
        if service not in self._clients:
            client = self._session.client(service, endpoint_url=self.endpoint_url)
            self._clients[service] = guard(client, look=self.client)
        return self._clients[service]

    def record(self, service: str, operation: str, **parameters: Any) -> None:
        """Check a call that moto can't do. Raises CloudError when AWS would refuse it."""
        model = self.client(service).meta.service_model.operation_model(operation)
        why = objection(service, operation, model, parameters, self.client)
        if why:
            raise CloudError(f"{service}:{operation} would be refused: {why}")
        self.recorded.append(Recorded(service, operation, parameters))


Maker = Callable[[Account, Request], Made]


def capitalised(value: Any) -> Any:
    """Keys of nested inputs as EC2's API spells them: ``volumeType`` is ``VolumeType``."""
    if isinstance(value, Mapping):
        return {key[:1].upper() + key[1:]: capitalised(item) for key, item in value.items()}
    if isinstance(value, list):
        return [capitalised(item) for item in value]
    return value
