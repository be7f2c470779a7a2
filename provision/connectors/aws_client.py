"""boto3 clients for one environment, and its errors in words that name the next step."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
)

from provision.config.environment import Environment
from provision.connectors.http import is_private
from provision.errors import CloudError

_MADE_UP = "rehearsal"
_NO_PROFILE = {"profile": (None, None, None, None)}  # not even an AWS_PROFILE that is gone
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "InvalidClientTokenId"}
_DENIED = {
    "AccessDenied",
    "AccessDeniedException",
    "UnauthorizedOperation",
    "AuthorizationError",
    "403",
}
_GONE = {
    "ClusterNotFoundException",
    "LoadBalancerNotFound",
    "NoSuchBucket",
    "RepositoryNotFoundException",
    "ResourceNotFoundException",
    "ServiceNotFoundException",
    "TargetGroupNotFound",
}
_BUSY = {"Throttling", "ThrottlingException", "RequestLimitExceeded", "SlowDown"}
_CLOCK = {
    "InvalidSignatureException",
    "RequestInTheFuture",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
}
_IAM_NAMES = {"elbv2": "elasticloadbalancing"}
_OTHER_RIGHTS = {"s3:list_objects_v2": "s3:ListBucket", "s3:head_object": "s3:GetObject"}


class AwsClients:
    """Makes each client once; calls go through :meth:`call`, which turns every error to CloudError.

    A private or loopback ``aws.endpoint_url`` gets made-up credentials, never a person's own.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._endpoint = environment.aws.endpoint_url
        self._local = bool(self._endpoint) and is_private(self._endpoint or "")
        self._session: Any = None
        self._clients: dict[tuple[str, bool], Any] = {}
        self._lock = threading.Lock()

    def call(self, service: str, operation: str, resource: str, /, **parameters: Any) -> Any:
        """``service.operation(**parameters)``; *resource* is what the error will name."""
        try:
            return getattr(self.client(service), operation)(**parameters)
        except (ClientError, BotoCoreError) as error:
            raise self._explain(error, f"{service}:{operation}", resource) from error

    def call_once(self, service: str, operation: str, resource: str, **parameters: Any) -> Any:
        """As :meth:`call`, for what must not happen twice: without an answer it is not repeated."""
        try:
            return getattr(self.client(service, once=True), operation)(**parameters)
        except (ClientError, BotoCoreError) as error:
            raise self._explain(error, f"{service}:{operation}", resource) from error

    def pages(self, service: str, operation: str, resource: str, **parameters: Any) -> list[Any]:
        """All pages of a list call."""
        try:
            return list(self.client(service).get_paginator(operation).paginate(**parameters))
        except (ClientError, BotoCoreError) as error:
            raise self._explain(error, f"{service}:{operation}", resource) from error

    def read(self, body: Any, call: str, resource: str) -> bytes:
        """A streamed answer to its end."""
        try:
            return bytes(body.read())
        except (BotoCoreError, OSError) as error:
            raise self._explain(error, call, resource) from error

    def client(self, service: str, *, once: bool = False) -> Any:
        """The boto3 client of *service*; safe from any thread. One that asks *once* never
        repeats a request by itself."""
        with self._lock:
            if (service, once) not in self._clients:
                self._clients[service, once] = self._make(service, attempts=1 if once else 5)
            return self._clients[service, once]

    def _make(self, service: str, attempts: int = 5) -> Any:
        options: dict[str, Any] = {"connect_timeout": 10, "read_timeout": 60}
        retries = {"mode": "standard", "total_max_attempts": attempts}
        options |= {"max_pool_connections": 16, "retries": retries}
        if self._local:
            options |= {"proxies": {}, "s3": {"addressing_style": "path"}}
        if self._session is None:
            self._session = self._make_session()
        return self._session.client(
            service,
            region_name=_home(service, self._environment.region),
            endpoint_url=self._endpoint,
            config=Config(**options),
        )

    def _make_session(self) -> Any:
        region = self._environment.region
        if self._local:
            return boto3.Session(
                aws_access_key_id=_MADE_UP,
                aws_secret_access_key=_MADE_UP,
                region_name=region,
                botocore_session=botocore.session.Session(_NO_PROFILE),
            )
        return boto3.Session(profile_name=self._environment.aws.profile, region_name=region)

    def _explain(self, error: Exception, call: str, resource: str) -> CloudError:
        code = code_of(error)
        hint = _hint(error, code, call, self._login())
        detail = str(error) if not code else f"{code}: {_message(error)}"
        failure = CloudError(f"{call} on {resource} failed: {detail}", hint=hint)
        failure.__cause__ = error
        return failure

    def _login(self) -> str:
        profile = self._environment.aws.profile
        return f"`aws sso login --profile {profile}`" if profile else "`aws sso login`"


def _home(service: str, region: str) -> str:
    """Where *service* answers for *region*: the Price List has three endpoints for the world."""
    if service != "pricing":
        return region
    homes = (("ap-", "ap-south-1"), ("eu-", "eu-central-1"), ("me-", "eu-central-1"))
    return next((home for start, home in homes if region.startswith(start)), "us-east-1")


def code_of(error: BaseException | None) -> str:
    """The AWS error code behind *error*, "" when AWS did not answer."""
    if isinstance(error, CloudError):
        error = error.__cause__
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return ""


def answer_of(error: BaseException) -> Mapping[str, Any]:
    """AWS's answer behind *error*, empty when there was none."""
    cause = error.__cause__ if isinstance(error, CloudError) else error
    return cause.response if isinstance(cause, ClientError) else {}


def server_time(answer: Mapping[str, Any], resource: str) -> float:
    """When the server gave *answer*, by its own clock. Raises CloudError when it does not say."""
    date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        return parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError) as error:
        raise CloudError(
            f"the answer for {resource} does not say when it was given (Date: {date!r})",
            hint="is there a proxy between this machine and S3 that takes headers away?",
        ) from error


def _message(error: Exception) -> str:
    response = error.response if isinstance(error, ClientError) else {}
    return str(response.get("Error", {}).get("Message", ""))


def _right(call: str) -> str:
    """The IAM action behind a call: ``elasticloadbalancing:DeregisterTargets``."""
    service, _, operation = call.partition(":")
    words = "".join(word.capitalize() for word in operation.split("_"))
    return _OTHER_RIGHTS.get(call) or f"{_IAM_NAMES.get(service, service)}:{words}"


def _hint(error: Exception, code: str, call: str, login: str) -> str:
    by_type: tuple[tuple[type[Exception], str], ...] = (
        (NoCredentialsError, f"there are no AWS credentials here: {login}, or set AWS_PROFILE"),
        (PartialCredentialsError, f"the AWS credentials here are not complete: {login}"),
        (ProfileNotFound, "correct `aws.profile` in the environment's file, or unset AWS_PROFILE"),
        (EndpointConnectionError, "is `aws.endpoint_url` right, and is this machine online?"),
    )
    by_code = (
        (_EXPIRED, f"the credentials have expired or are not known: {login}"),
        (_DENIED, f"your role needs permission for {_right(call)} on it"),
        (_CLOCK, "is this machine's clock right? AWS refuses one that is minutes off"),
        (_BUSY, "AWS asks for patience: run the same command again"),
        (_GONE, "it is gone or was never made: `pulumi up`"),
    )
    for kind, hint in by_type:
        if isinstance(error, kind):
            return hint
    for codes, hint in by_code:
        if code in codes:
            return hint
    return "read AWS's message above; `aws sts get-caller-identity` shows who you are"
