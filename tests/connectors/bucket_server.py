"""An environment's bucket behind HTTP: moto over a socket sends the Date that S3 sends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto.backends import get_backend
from moto.core import DEFAULT_ACCOUNT_ID
from moto.server import ThreadedMotoServer
from werkzeug.serving import WSGIRequestHandler

from provision.config.environment import AwsSettings, Environment
from provision.testing import samples

BUCKET = samples.outputs().bucket


@dataclass(frozen=True)
class BucketServer:
    """moto at *url*, in this process, with the outputs and the versioned bucket of ``test``."""

    url: str

    @property
    def environment(self) -> Environment:
        """``test``, with this server as its AWS."""
        return replace(samples.environment(), aws=AwsSettings(endpoint_url=self.url))

    def client(self, service: str) -> Any:
        """A boto3 client."""
        options: Any = {"endpoint_url": self.url, "region_name": "us-east-1"}
        return boto3.client(service, **options)  # type: ignore[call-overload]

    def age(self, key: str, seconds: float) -> datetime:
        """Let the object have been written *seconds* ago; when that was."""
        then = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=seconds)
        bucket = get_backend("s3")[DEFAULT_ACCOUNT_ID]["aws"].buckets[BUCKET]
        bucket.keys[key].last_modified = then.replace(tzinfo=None)
        return then

    def fill(self) -> None:
        """Start from nothing but outputs and an empty bucket."""
        for service in ("s3", "ssm"):
            get_backend(service).reset()  # type: ignore[attr-defined]
        ssm, s3 = self.client("ssm"), self.client("s3")
        outputs = samples.outputs().to_json()
        ssm.put_parameter(Name="/llm-fleet/test/outputs", Type="String", Value=outputs)
        s3.create_bucket(Bucket=BUCKET)
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})


@contextmanager
def serving() -> Iterator[BucketServer]:
    """The server, for as long as a module's tests run.

    It sends each answer in two parts, of which the second would wait 40 ms for an ACK.
    """
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WSGIRequestHandler, "disable_nagle_algorithm", True)
        server.start()
        host, port = server.get_host_and_port()
        try:
            yield BucketServer(f"http://{host}:{port}")
        finally:
            server.stop()
