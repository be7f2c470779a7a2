"""The fleet's Auto Scaling group through the project's own door."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import boto3
import pytest
from moto import mock_aws

from provision.connectors.aws import AwsCloud
from provision.errors import CloudError
from provision.testing import samples
from rehearsal import moto_lifecycle

REGION, GROUP = "us-east-1", "llm-fleet-test"
IMAGE = "ami-12c6146b"  # one of those that moto was born with


@dataclass
class Fleet:
    """A group of two hosts, launched from the first version of a template."""

    cloud: AwsCloud
    template: str

    def versions(self) -> dict[str, str]:
        return {host.name: host.template for host in self.cloud.inventory()}

    def takes(self, version: str) -> None:
        """A second version of the template, and the group takes *version* from now on."""
        data = {"ImageId": IMAGE, "InstanceType": "g5.xlarge"}
        _client("ec2").create_launch_template_version(
            LaunchTemplateId=self.template, LaunchTemplateData=data
        )
        _client("autoscaling").update_auto_scaling_group(
            AutoScalingGroupName=GROUP,
            LaunchTemplate={"LaunchTemplateId": self.template, "Version": version},
        )


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    moto_lifecycle.teach(partial(monkeypatch.setattr, raising=False))
    monkeypatch.setattr(moto_lifecycle, "later", lambda *_: lambda: None)  # no timer outlives it
    with mock_aws():
        ec2 = _client("ec2")
        _client("ssm").put_parameter(
            Name="/llm-fleet/test/outputs", Type="String", Value=samples.outputs().to_json()
        )
        made = ec2.create_launch_template(
            LaunchTemplateName="fleet",
            LaunchTemplateData={"ImageId": IMAGE, "InstanceType": "g5.xlarge"},
        )["LaunchTemplate"]
        subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
        _client("autoscaling").create_auto_scaling_group(
            AutoScalingGroupName=GROUP,
            LaunchTemplate={"LaunchTemplateId": made["LaunchTemplateId"], "Version": "1"},
            MinSize=2,
            MaxSize=2,
            DesiredCapacity=2,
            VPCZoneIdentifier=subnet,
        )
        yield Fleet(AwsCloud(samples.environment()), made["LaunchTemplateId"])


def test_each_host_knows_the_version_that_it_was_launched_from(fleet: Fleet) -> None:
    """And the fleet the one from which the next will be."""
    assert set(fleet.versions().values()) == {"1"}
    assert fleet.cloud.inventory().template == "1"
    fleet.takes("2")
    assert set(fleet.versions().values()) == {"1"}
    assert fleet.cloud.inventory().template == "2"
    assert fleet.cloud.inventory().select("i-*").template == "2"


@pytest.mark.parametrize(("said", "number"), [("$Latest", "2"), ("$Default", "1")])
def test_a_version_by_name_is_a_number_all_the_same(fleet: Fleet, said: str, number: str) -> None:
    """Hosts are compared by numbers."""
    fleet.takes(said)
    assert fleet.cloud.inventory().template == number


def test_a_host_that_is_ended_is_replaced(fleet: Fleet) -> None:
    """By one from the version of now; the group's size stays."""
    first, second = fleet.versions()
    fleet.takes("2")
    fleet.cloud.terminate(first)
    now = fleet.versions()
    assert first not in now
    assert now.pop(second) == "1"
    assert list(now.values()) == ["2"]


def test_a_host_that_is_gone_already(fleet: Fleet) -> None:
    """Whoever comes back after a crash ends it once more: no matter."""
    first, _ = fleet.versions()
    fleet.cloud.terminate(first)
    fleet.cloud.terminate(first)
    assert len(fleet.versions()) == 2


def test_a_host_that_says_goodbye_is_no_host_any_more(fleet: Fleet) -> None:
    """Nothing can be brought to it."""
    _client("autoscaling").put_lifecycle_hook(
        AutoScalingGroupName=GROUP,
        LifecycleHookName="leave",
        LifecycleTransition=moto_lifecycle.TERMINATING,
        HeartbeatTimeout=390,
    )
    first, second = fleet.versions()
    fleet.cloud.terminate(first)
    assert list(fleet.versions()) == [second]


def test_what_aws_refuses_is_an_error(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the call and the host."""

    def fail(*_: Any, **__: Any) -> Any:
        raise CloudError("autoscaling:... AccessDenied")

    monkeypatch.setattr(fleet.cloud._aws, "call", fail)
    with pytest.raises(CloudError, match="AccessDenied"):
        fleet.cloud.terminate("i-1")


def _client(service: str) -> Any:
    return boto3.client(service, region_name=REGION)  # type: ignore[call-overload]
