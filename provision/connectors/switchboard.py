"""The fallback's levers: what people wish of the switch, what it says, what was spent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from provision.config.environment import Environment
from provision.connectors.aws_client import AwsClients, code_of
from provision.connectors.spend import read_spend
from provision.errors import CloudError
from provision.facts.spend import HostedSpend

_PAGES = 20
_LINES = '{ $.event = "switch" || $.event = "switch-failed" }'


@dataclass(frozen=True, slots=True)
class Wrote:
    """A version of the wish: its text, its number, the server's time and who wrote it (an ARN)."""

    text: str
    version: int
    at: float
    by: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """What the switch said when it was asked to look: the line of its decision, or its error."""

    line: Mapping[str, Any] | None
    error: str = ""


class Switchboard(Protocol):
    """The AWS calls of the fallback, by what they mean. Errors are CloudError."""

    def wish(self) -> Wrote | None:
        """What people want now, None when nobody ever said."""

    def put_wish(self, text: str) -> None:
        """Say what is wanted from now on."""

    def wishes(self) -> tuple[Wrote, ...]:
        """All that were ever written and are still kept, newest first."""

    def hints(self) -> str | None:
        """What the switch remembers, None when it never moved anything."""

    def look(self, *, dry: bool) -> Look:
        """Let the switch look now, and act; *dry* only decides."""

    def lines(self, *, since: float, until: float) -> tuple[Mapping[str, Any], ...]:
        """Its decisions between two moments (seconds since the epoch), oldest first."""

    def spent(self, day: str) -> HostedSpend:
        """What hosted answers of a day (``2026-11-21``, UTC) and its month have cost."""


class AwsSwitchboard:
    """Implements :class:`Switchboard` with boto3; safe to share between threads."""

    def __init__(self, environment: Environment) -> None:
        self._aws = AwsClients(environment)
        self._environment, self._prefix = environment, environment.prefix
        self._root = f"{environment.parameter_root}/switch"

    def wish(self) -> Wrote | None:
        """The parameter ``<root>/switch/intent``."""
        found = self._parameter("intent")
        return None if found is None else _wrote(found)

    def put_wish(self, text: str) -> None:
        """Write the parameter; its older versions stay readable."""
        name = f"{self._root}/intent"
        self._aws.call(
            "ssm", "put_parameter", name, Name=name, Value=text, Type="String", Overwrite=True
        )

    def wishes(self) -> tuple[Wrote, ...]:
        """The parameter's history: SSM keeps a hundred versions."""
        name = f"{self._root}/intent"
        try:
            pages = self._aws.pages("ssm", "get_parameter_history", name, Name=name)
        except CloudError as error:
            if code_of(error) == "ParameterNotFound":
                return ()
            raise
        found = [_wrote(entry) for page in pages for entry in page["Parameters"]]
        return tuple(sorted(found, key=lambda one: -one.version))

    def hints(self) -> str | None:
        """The parameter ``<root>/switch/hints``."""
        found = self._parameter("hints")
        return None if found is None else str(found["Value"])

    def look(self, *, dry: bool) -> Look:
        """Invoke the function and wait; an error of its own is an answer."""
        name = f"{self._prefix}-switch"
        payload = json.dumps({"do": "dry-run" if dry else "look"}).encode()
        said = self._aws.call("lambda", "invoke", name, FunctionName=name, Payload=payload)
        text = self._aws.read(said["Payload"], "lambda:invoke", name)
        document = json.loads(text or b"null")
        if said.get("FunctionError"):
            return Look(None, str((document or {}).get("errorMessage") or said["FunctionError"]))
        return Look(document)

    def lines(self, *, since: float, until: float) -> tuple[Mapping[str, Any], ...]:
        """From the function's log, the newest of very many left out."""
        group = f"/aws/lambda/{self._prefix}-switch"
        found: list[Mapping[str, Any]] = []
        more: dict[str, str] = {}
        for _ in range(_PAGES):
            page = self._aws.call(
                "logs",
                "filter_log_events",
                group,
                logGroupName=group,
                startTime=int(since * 1000),
                endTime=int(until * 1000),
                filterPattern=_LINES,
                **more,
            )
            found += [line for entry in page["events"] if (line := _line(entry["message"]))]
            if "nextToken" not in page:
                break
            more = {"nextToken": page["nextToken"]}
        return tuple(sorted(found, key=lambda line: str(line["at"])))

    def spent(self, day: str) -> HostedSpend:
        """From the gateways' counter."""
        return read_spend(self._environment, day, aws=self._aws)

    def _parameter(self, leaf: str) -> Any:
        name = f"{self._root}/{leaf}"
        try:
            return self._aws.call("ssm", "get_parameter", name, Name=name)["Parameter"]
        except CloudError as error:
            if code_of(error) == "ParameterNotFound":
                return None
            raise


def _wrote(entry: Mapping[str, Any]) -> Wrote:
    return Wrote(
        text=str(entry["Value"]),
        version=int(entry["Version"]),
        at=entry["LastModifiedDate"].timestamp(),
        by=str(entry.get("LastModifiedUser", "")),
    )


def _line(message: str) -> Mapping[str, Any] | None:
    try:
        document = json.loads(message)
    except ValueError:
        return None
    return document if isinstance(document, dict) and "at" in document else None
