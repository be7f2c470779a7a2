"""The instance metadata service, version 2 only: who this is, and what AWS has in store for it."""

from __future__ import annotations

import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Mapping, Optional

from provision.agent.errors import CloudUnreachable

METADATA = "http://169.254.169.254"
_METADATA_S = 5.0
_TOKEN_S = 21_600
_NOT_FOUND, _TOKEN_ENDED = 404, 401


@dataclass(frozen=True)
class Identity:
    """Which instance this is, and where."""

    instance_id: str
    zone: str


class Metadata:
    """Asks the service. Every question raises CloudUnreachable when it does not answer."""

    def __init__(self, base: str = METADATA) -> None:
        self._base = base
        self._token = ""

    def identity(self) -> Identity:
        """Who this instance is."""
        return Identity(
            self._must("instance-id"),
            self._must("placement/availability-zone"),
        )

    def item(self, name: str) -> Optional[str]:
        """The text of an item below ``meta-data``, None when the service has none."""
        for _ in range(2):  # a token that ended is replaced once
            if not self._token:
                wanted = {"X-aws-ec2-metadata-token-ttl-seconds": str(_TOKEN_S)}
                self._token = self._ask("PUT", "api/token", wanted)
            try:
                headers = {"X-aws-ec2-metadata-token": self._token}
                return self._ask("GET", f"meta-data/{name}", headers)
            except _Refused as refusal:
                if refusal.status == _NOT_FOUND:
                    return None
                if refusal.status != _TOKEN_ENDED:
                    raise
                self._token = ""
        raise _silent("it takes no token of its own")

    def _must(self, name: str) -> str:
        text = self.item(name)
        if text is None:
            raise _silent(f"it has no {name}")
        return text

    def _ask(self, method: str, path: str, headers: Mapping[str, str]) -> str:
        request = urllib.request.Request(
            f"{self._base}/latest/{path}", method=method, headers=dict(headers)
        )
        try:
            with urllib.request.urlopen(request, timeout=_METADATA_S) as answer:
                text: str = answer.read().decode()
                return text
        except urllib.error.HTTPError as error:
            error.close()
            raise _Refused(error.code) from None
        except OSError as error:
            raise _silent(str(error)) from None


class _Refused(CloudUnreachable):
    """It answered, with another status than 200."""

    def __init__(self, status: int) -> None:
        super().__init__(f"{_SILENT}: HTTP {status}", hint=_HINT)
        self.status = status


_SILENT = "the instance metadata service does not answer"
_HINT = "is IMDSv2 enabled for this instance, and is this an EC2 instance?"


def _silent(why: str) -> CloudUnreachable:
    return CloudUnreachable(f"{_SILENT}: {why}", hint=_HINT)
