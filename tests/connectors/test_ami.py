"""Finding the newest machine image."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from provision.config.environment import FleetSettings, OperatingSystem
from provision.connectors.ami import Image, Refresh, refresh
from provision.errors import CloudError, UsageError
from tests.config.environments import SMALL

ROOT = "/aws/service/deeplearning/ami/x86_64"
NEWEST = {
    "ImageId": "ami-0bbbbbbbbbbbbbbbb",
    "Name": "Deep Learning Base OSS Nvidia Driver GPU AMI (Ubuntu 24.04) 20261020",
    "CreationDate": "2026-10-20T08:00:00.000Z",
}
OLD = {"ImageId": "ami-0aaaaaaaaaaaaaaaa", "Name": "older", "CreationDate": "2026-01-01T00:00:00Z"}


def image(entry: dict[str, str]) -> Image:
    return Image(entry["ImageId"], entry["Name"], entry["CreationDate"])


class Aws:
    """Parameters and images of one region; keeps the names that it was asked for."""

    def __init__(self, parameters: dict[str, str], images: list[dict[str, str]]) -> None:
        self.parameters = parameters
        self.images = images
        self.asked: list[str] = []

    def call(self, service: str, operation: str, resource: str, **parameters: Any) -> Any:
        self.asked.append(resource)
        if (service, operation) == ("ssm", "get_parameter"):
            if parameters["Name"] not in self.parameters:
                raise error("ParameterNotFound")
            return {"Parameter": {"Value": self.parameters[parameters["Name"]]}}
        assert (service, operation) == ("ec2", "describe_images")
        if "Filters" in parameters:
            return {"Images": self.images}
        found = [each for each in self.images if each["ImageId"] in parameters["ImageIds"]]
        if not found:
            raise error("InvalidAMIID.NotFound")
        return {"Images": found}


def error(code: str) -> CloudError:
    failure = CloudError(f"AWS says {code}")
    failure.__cause__ = ClientError({"Error": {"Code": code}}, "operation")
    return failure


def environment(os: OperatingSystem = OperatingSystem.UBUNTU_2404, ami: str | None = None) -> Any:
    return replace(SMALL, fleet=FleetSettings(os=os, ami=ami))


@pytest.mark.parametrize(
    ("os", "short"),
    [
        (OperatingSystem.UBUNTU_2204, "ubuntu-22.04"),
        (OperatingSystem.UBUNTU_2404, "ubuntu-24.04"),
        (OperatingSystem.AL2023, "amazon-linux-2023"),
    ],
)
def test_the_public_parameter_names_the_newest(os: OperatingSystem, short: str) -> None:
    """The environment's operating system decides which parameter is read."""
    name = f"{ROOT}/base-oss-nvidia-driver-gpu-{short}/latest/ami-id"
    aws = Aws({name: NEWEST["ImageId"]}, [NEWEST])

    found = refresh(environment(os), aws=aws)

    assert found == Refresh(None, None, image(NEWEST))
    assert found.is_news
    assert aws.asked == [name, NEWEST["ImageId"]]


def test_the_parameter_s_other_name_is_tried() -> None:
    """AWS has the parameter under two names; the second is asked when the first is missing."""
    aws = Aws(
        {f"{ROOT}/base-oss-nvidia-driver-ubuntu-24.04/latest/ami-id": NEWEST["ImageId"]}, [NEWEST]
    )
    assert refresh(environment(), aws=aws).new == image(NEWEST)


def test_without_a_parameter_the_newest_by_name_is_taken() -> None:
    """A region without the parameters still lists its images; the latest date wins."""
    aws = Aws({}, [OLD, NEWEST])
    assert refresh(environment(), aws=aws).new == image(NEWEST)
    assert aws.asked[-1] == "Deep Learning Base OSS Nvidia Driver GPU AMI (Ubuntu 24.04)*"


def test_the_pinned_image_is_described() -> None:
    """Old and new are both shown with name and date; the same image is no news."""
    aws = Aws({}, [OLD, NEWEST])
    assert refresh(environment(ami=OLD["ImageId"]), aws=aws).old == image(OLD)
    assert not refresh(environment(ami=NEWEST["ImageId"]), aws=aws).is_news


def test_a_pinned_image_that_is_gone_is_no_error() -> None:
    """AWS retires images: the old one is then simply not known any more."""
    found = refresh(environment(ami="ami-0cccccccccccccccc"), aws=Aws({}, [NEWEST]))
    assert found == Refresh("ami-0cccccccccccccccc", None, image(NEWEST))


def test_an_operating_system_without_gpu_images() -> None:
    """Debian is for rehearsals: the error lists what AWS publishes images for."""
    with pytest.raises(UsageError, match=r"ubuntu-22\.04, ubuntu-24\.04, amazon-linux-2023"):
        refresh(environment(OperatingSystem.DEBIAN_12), aws=Aws({}, []))


def test_a_region_without_any_image() -> None:
    """Nothing found says what was looked for."""
    with pytest.raises(CloudError, match="Deep Learning Base OSS"):
        refresh(environment(), aws=Aws({}, []))


def test_other_failures_come_through() -> None:
    """Missing rights are not mistaken for a missing image."""

    class Denied(Aws):
        def call(self, service: str, operation: str, resource: str, **parameters: Any) -> Any:
            raise error("AccessDeniedException")

    with pytest.raises(CloudError, match="AccessDenied"):
        refresh(environment(ami=OLD["ImageId"]), aws=Denied({}, []))
