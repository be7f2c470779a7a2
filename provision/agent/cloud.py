"""AWS as this host sees it: boto3 with the host's own role.

Credentials always come from the instance's role, also when ``aws_endpoint_url`` points elsewhere.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Tuple

from provision.agent.errors import AgentError, CloudUnreachable, KeysExpired
from provision.agent.settings import HostSettings

_EXPIRED = ("ExpiredToken", "ExpiredTokenException", "RequestExpired")
_SHA256 = "sha256"
# Seconds to connect, seconds to read, attempts.
_PATIENCE = {"cloudwatch": (2, 4, 2)}


class Cloud:
    """The calls that a host makes. Each raises CloudUnreachable naming the call that failed."""

    def __init__(self, settings: HostSettings, *, keys: Optional[Mapping[str, str]] = None) -> None:
        self._settings = settings
        self._keys = dict(keys or {})
        self._clients: Dict[str, Any] = {}
        self._lock = threading.Lock()

    def client(self, service: str) -> Any:
        """The boto3 client of *service*. Raises AgentError on a host without boto3."""
        with self._lock:  # boto3's default session is not made for several threads
            if service not in self._clients:
                self._clients[service] = self._client(service)
            return self._clients[service]

    def with_keys(self, keys: Mapping[str, str]) -> Cloud:
        """The same, with the operator's short-lived keys instead of the instance's role."""
        return Cloud(self._settings, keys=keys)

    def get_object(self, key: str) -> Optional[bytes]:
        """An object of the environment's bucket, None when there is none."""
        with calling(f"read s3://{self._settings.bucket}/{key}", missing=("NoSuchKey",)) as found:
            answer = self.client("s3").get_object(Bucket=self._settings.bucket, Key=key)
            found.append(answer["Body"].read())
        return found[0] if found else None

    def open_object(self, key: str, *, start: int = 0) -> Any:
        """A readable stream of an object from byte *start* on."""
        with calling(f"read s3://{self._settings.bucket}/{key}"):
            extra = {"Range": f"bytes={start}-"} if start else {}
            return self.client("s3").get_object(Bucket=self._settings.bucket, Key=key, **extra)[
                "Body"
            ]

    def upload(self, path: Path, key: str, *, sha256: str, count: Callable[[int], None]) -> None:
        """Write a file to the environment's bucket, its *sha256* noted on the object.

        *count* is told how many bytes went out, as they go, from many threads.
        """
        with calling(f"write s3://{self._settings.bucket}/{key}"):
            self.client("s3").upload_file(
                str(path),
                self._settings.bucket,
                key,
                ExtraArgs={"Metadata": {_SHA256: sha256}},
                Callback=count,
            )

    def noted_sha256(self, key: str) -> Optional[str]:
        """The sha256 that :meth:`upload` noted on an object, None when there is none."""
        with calling(f"look at s3://{self._settings.bucket}/{key}", missing=("404",)) as found:
            answer = self.client("s3").head_object(Bucket=self._settings.bucket, Key=key)
            found.append(answer["Metadata"].get(_SHA256))
        return found[0] if found else None

    def put_object(self, key: str, data: bytes) -> None:
        """Write an object to the environment's bucket."""
        with calling(f"write s3://{self._settings.bucket}/{key}"):
            self.client("s3").put_object(Bucket=self._settings.bucket, Key=key, Body=data)

    def list_objects(self, prefix: str) -> Dict[str, int]:
        """Keys under *prefix* with their sizes in bytes."""
        found: Dict[str, int] = {}
        with calling(f"list s3://{self._settings.bucket}/{prefix}"):
            pages = self.client("s3").get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._settings.bucket, Prefix=prefix):
                found.update({item["Key"]: item["Size"] for item in page.get("Contents", [])})
        return found

    def secret(self, name: str) -> Optional[str]:
        """A secret's text, None when it has none."""
        missing = ("ResourceNotFoundException",)
        with calling(f"read the secret {name}", missing=missing) as found:
            answer = self.client("secretsmanager").get_secret_value(SecretId=name)
            found.append(answer["SecretString"])
        return found[0] if found else None

    def create_parameter(self, name: str, value: str) -> bool:
        """Create an SSM parameter; False when it was there already (and stays as it is)."""
        there = ("ParameterAlreadyExists",)
        with calling(f"create the parameter {name}", missing=there) as made:
            self.client("ssm").put_parameter(Name=name, Value=value, Type="String", Overwrite=False)
            made.append(True)
        return bool(made)

    def parameter(self, name: str) -> Optional[str]:
        """An SSM parameter's text, None when there is none."""
        with calling(f"read the parameter {name}", missing=("ParameterNotFound",)) as found:
            found.append(self.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])
        return found[0] if found else None

    def call_unhealthy(self, instance_id: str) -> None:
        """Tell the group that the instance is beyond repair: it brings another one."""
        with calling(f"call {instance_id} unhealthy"):
            self.client("autoscaling").set_instance_health(
                InstanceId=instance_id,
                HealthStatus="Unhealthy",
                ShouldRespectGracePeriod=False,
            )

    def put_metrics(self, namespace: str, data: List[Dict[str, Any]]) -> None:
        """Hand numbers to CloudWatch. It gives up soon: the next ones are better than these."""
        with calling(f"write metrics of {namespace}"):
            self.client("cloudwatch").put_metric_data(Namespace=namespace, MetricData=data)

    def enter_traffic(self, instance_id: str) -> None:
        """Put the instance into the environment's target group; no matter if it is there."""
        arn = self._target_group()
        with calling(f"register {instance_id} in {arn}"):
            self.client("elbv2").register_targets(TargetGroupArn=arn, Targets=[{"Id": instance_id}])

    def leave_traffic(self, instance_id: str) -> None:
        """Take the instance out of the environment's target group; no matter if it is there."""
        arn, targets = self._target_group(), [{"Id": instance_id}]
        with calling(f"deregister {instance_id} in {arn}", missing=("InvalidTarget",)):
            self.client("elbv2").deregister_targets(TargetGroupArn=arn, Targets=targets)

    def complete_lifecycle(self, group: str, hook: str, instance_id: str) -> bool:
        """Let the group end the instance; False when it does not wait for that (yet, or any more).

        A wrong name of group or hook looks the same to AWS: the hook's time then ends the wait.
        """
        with calling(f"let {group} end {instance_id}", missing=("ValidationError",)) as said:
            self.client("autoscaling").complete_lifecycle_action(
                AutoScalingGroupName=group,
                LifecycleHookName=hook,
                InstanceId=instance_id,
                LifecycleActionResult="CONTINUE",
            )
            said.append(True)
        return bool(said)

    def registry_login(self) -> Tuple[str, str]:
        """Host name and password of this account's registry."""
        with calling("get a login for the image registry"):
            data = self.client("ecr").get_authorization_token()["authorizationData"][0]
            password = base64.b64decode(data["authorizationToken"]).decode().partition(":")[2]
            return data["proxyEndpoint"].split("://")[-1], password

    def _target_group(self) -> str:
        arn = self._settings.target_group_arn
        if arn is None:
            raise AgentError(
                "host.json names no target group: this host can't enter or leave traffic by itself",
                hint="`fab rolling-restart` puts it back; newer hosts know their group",
            )
        return arn

    def _client(self, service: str) -> Any:
        _require_boto3()
        import boto3  # a host that is only asked for its status needs no AWS
        from botocore.config import Config

        connect_s, read_s, attempts = _PATIENCE.get(service, (5, 30, 4))
        return boto3.client(  # type: ignore[call-overload]
            service,
            region_name=self._settings.region,
            endpoint_url=self._settings.aws_endpoint_url,
            config=Config(
                connect_timeout=connect_s,
                read_timeout=read_s,
                retries={"max_attempts": attempts, "mode": "standard"},
                s3={"addressing_style": "path" if self._settings.aws_endpoint_url else "auto"},
                max_pool_connections=32,
            ),
            **self._keys,
        )


@contextmanager
def calling(what: str, *, missing: Tuple[str, ...] = ()) -> Iterator[List[Any]]:
    """Turn botocore's errors into CloudUnreachable; codes in *missing* leave the list empty."""
    _require_boto3()
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    found: List[Any] = []
    try:
        yield found
    except (ClientError, Boto3Error) as error:
        # boto3's file transfers wrap what S3 said in an error without a code.
        cause = error if isinstance(error, ClientError) else error.__context__
        response: Any = getattr(cause, "response", {})
        code = str(response.get("Error", {}).get("Code", ""))
        if code not in missing:
            kind = KeysExpired if code in _EXPIRED else CloudUnreachable
            raise kind(f"can't {what}: {cause or error}", hint=_hint(code)) from None
    except BotoCoreError as error:
        raise CloudUnreachable(
            f"can't {what}: {error}", hint="does this host reach AWS, and has it its role?"
        ) from None


def _require_boto3() -> None:
    if importlib.util.find_spec("boto3") is None:
        raise AgentError(
            "boto3 is not installed for this host's python3",
            hint="apt-get install python3-boto3, or dnf install python3-boto3",
        )


def keys_from(document: Mapping[str, Any]) -> Dict[str, str]:
    """boto3's arguments from the ``aws`` part of a request on standard input."""
    return {
        "aws_access_key_id": str(document["access_key_id"]),
        "aws_secret_access_key": str(document["secret_access_key"]),
        "aws_session_token": str(document["session_token"]),
    }


def current_release(cloud: Cloud) -> Optional[str]:
    """The release that the fleet runs, None before the first deploy has baked."""
    body = cloud.get_object("releases/current")
    return str(json.loads(body)["release"]) if body is not None else None


def _hint(code: str) -> str:
    if code in ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403"):
        return "the role's rights do not cover it: run `pulumi up`, then try again"
    if code in _EXPIRED:
        return "run the same command again: it goes on where it was, with new keys"
    if code in ("NoSuchBucket", "NoSuchKey", "404"):
        return "deploy again: it publishes what is missing"
    return ""
