"""The newest machine image with NVIDIA driver and Docker: AWS's Deep Learning Base AMI."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from provision.config.environment import Environment, OperatingSystem
from provision.connectors.aws_client import AwsClients, code_of
from provision.errors import CloudError, UsageError

_PARAMETERS = "/aws/service/deeplearning/ami/x86_64"
# AWS lists the parameter under both names, and not in every region under both.
_FAMILIES = ("base-oss-nvidia-driver-gpu", "base-oss-nvidia-driver")
_NAMES = {
    OperatingSystem.UBUNTU_2204: ("ubuntu-22.04", "Ubuntu 22.04"),
    OperatingSystem.UBUNTU_2404: ("ubuntu-24.04", "Ubuntu 24.04"),
    OperatingSystem.AL2023: ("amazon-linux-2023", "Amazon Linux 2023"),
}


@dataclass(frozen=True, slots=True)
class Image:
    """A machine image; ``created`` is the date that EC2 gives, ISO 8601."""

    id: str
    name: str
    created: str


@dataclass(frozen=True, slots=True)
class Refresh:
    """What is ``pinned`` in the file, the image behind it (None: AWS has none), and the newest."""

    pinned: str | None
    old: Image | None
    new: Image

    @property
    def is_news(self) -> bool:
        """Whether the newest image is another one."""
        return self.new.id != self.pinned


class Calls(Protocol):
    """What is needed of :class:`provision.connectors.aws_client.AwsClients`."""

    def call(self, service: str, operation: str, resource: str, /, **parameters: Any) -> Any:
        """One AWS call; errors are CloudError."""


def refresh(environment: Environment, *, aws: Calls | None = None) -> Refresh:
    """The pinned image beside the newest one. Errors as for :func:`newest`."""
    aws = aws or AwsClients(environment)
    pinned = environment.fleet.ami
    old = describe(aws, pinned) if pinned else None
    return Refresh(pinned, old, newest(environment, aws=aws))


def newest(environment: Environment, *, aws: Calls) -> Image:
    """The newest image for the environment's region and operating system.

    Asks the public SSM parameters, then EC2. Raises UsageError for an operating system for which
    AWS publishes none, CloudError when AWS names no image or does not answer.
    """
    if environment.fleet.os not in _NAMES:
        raise UsageError(
            f"AWS publishes no GPU image for {environment.fleet.os.value}",
            hint=f"fleet.os may be {', '.join(known.value for known in _NAMES)}",
        )
    short, title = _NAMES[environment.fleet.os]
    for family in _FAMILIES:
        ami = _parameter(aws, f"{_PARAMETERS}/{family}-{short}/latest/ami-id")
        found = describe(aws, ami) if ami else None
        if found is not None:
            return found
    return _newest_by_name(aws, f"Deep Learning Base OSS Nvidia Driver GPU AMI ({title})*")


def describe(aws: Calls, ami: str) -> Image | None:
    """The image with this id, None where the region has none."""
    try:
        answer = aws.call("ec2", "describe_images", ami, ImageIds=[ami])
    except CloudError as error:
        if code_of(error).startswith("InvalidAMIID."):
            return None
        raise
    return next((_image(entry) for entry in answer["Images"]), None)


def _parameter(aws: Calls, name: str) -> str | None:
    try:
        value = aws.call("ssm", "get_parameter", name, Name=name)["Parameter"]["Value"]
    except CloudError as error:
        if code_of(error) == "ParameterNotFound":
            return None
        raise
    return str(value)


def _newest_by_name(aws: Calls, pattern: str) -> Image:
    filters = [
        {"Name": "name", "Values": [pattern]},
        {"Name": "architecture", "Values": ["x86_64"]},
        {"Name": "state", "Values": ["available"]},
    ]
    answer = aws.call("ec2", "describe_images", pattern, Owners=["amazon"], Filters=filters)
    images = [_image(entry) for entry in answer["Images"]]
    if not images:
        raise CloudError(
            f"AWS publishes no image named {pattern!r} in this region",
            hint="look for a Deep Learning Base AMI in the console and write its id to fleet.ami",
        )
    return max(images, key=lambda image: image.created)


def _image(entry: dict[str, Any]) -> Image:
    return Image(entry["ImageId"], entry.get("Name", ""), entry.get("CreationDate", ""))
