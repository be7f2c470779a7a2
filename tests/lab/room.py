"""A machine room with two hosts behind a load balancer, for tests that need real parts."""

from __future__ import annotations

import base64
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rehearsal.ec2 import client
from rehearsal.settings import Settings
from rehearsal.world import World

BRIDGE = "lf1"  # not that of a rehearsal that somebody keeps
REPOSITORY = "llm-fleet-rehearsal"
AWS = Path(__file__).resolve().parents[2] / "rehearsal" / "stand_ins" / "aws"
USER_DATA = """\
#!/bin/sh
set -eu
date >>/var/lib/booted
mkdir -p /srv/www/v1
hostname >/srv/www/v1/name
echo ok >/srv/www/healthz
cat >/etc/systemd/system/web.service <<'UNIT'
[Unit]
After=docker.service
[Service]
ExecStart=/usr/bin/python3 -m http.server 8000 --directory /srv/www
Restart=always
RestartSec=100ms
[Install]
WantedBy=multi-user.target
UNIT
systemctl daemon-reload
systemctl enable web
systemctl start --no-block web
"""


@dataclass
class Room:
    """A standing world, and the ELBv2 things that its tests turn."""

    world: World
    settings: Settings
    group: str = ""
    listener: str = ""
    rule: str = ""
    hosts: tuple[str, ...] = ()
    clients: dict[str, Any] = field(default_factory=dict)

    def aws(self, service: str) -> Any:
        """A boto3 client for the room's API."""
        return self.clients.setdefault(service, client(service, self.settings))

    def ssh(self, host: str, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command over SSH, through the stand-in for the AWS command."""
        proxy = (
            f"env LLM_FLEET_REHEARSAL={self.world.state} {AWS} ssm start-session --target {host}"
            " --document-name AWS-StartSSHSession --parameters portNumber=22"
        )
        options = [
            *("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"),
            *("ConnectTimeout=3", f"ProxyCommand={proxy}"),
        ]
        words = ["ssh", "-i", str(self.settings.ssh_key)]
        words += [word for option in options for word in ("-o", option)]
        return subprocess.run(
            [*words, f"root@{host}", command], capture_output=True, text=True, timeout=60
        )

    def out(self, host: str, command: str) -> str:
        """What a command prints; it must succeed."""
        done = self.ssh(host, command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def get(self, path: str = "/v1/name") -> tuple[int, str]:
        """One request through the load balancer."""
        url = f"http://{self.settings.network.load_balancer}{path}"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.status, answer.read().decode().strip()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, ""

    def health(self) -> dict[str, str]:
        """Target health as moto tells it."""
        said = self.aws("elbv2").describe_target_health(TargetGroupArn=self.group)
        return {
            item["Target"]["Id"]: item["TargetHealth"]["State"]
            for item in said["TargetHealthDescriptions"]
        }

    def wait_healthy(self) -> None:
        """Until every host takes traffic."""
        eventually(lambda: self.health() == dict.fromkeys(self.hosts, "healthy"))


def eventually(condition: Callable[[], object], *, seconds: float = 30) -> None:
    """Wait for something that other processes do."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.1)


def provision(room: Room) -> None:
    """A network, a load balancer with one rule, an ECR repository, and a fleet of two."""
    ec2, elb = room.aws("ec2"), room.aws("elbv2")
    vpc = ec2.create_vpc(CidrBlock=room.settings.cidr)["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=f"us-east-1{zone}")
        for block, zone in (("10.97.0.0/20", "a"), ("10.97.16.0/20", "b"))
    ]
    ids = [subnet["Subnet"]["SubnetId"] for subnet in subnets]
    balancer = elb.create_load_balancer(Name="lab", Subnets=ids, Scheme="internal")
    room.group = _group(elb, vpc)
    room.listener = elb.create_listener(
        LoadBalancerArn=balancer["LoadBalancers"][0]["LoadBalancerArn"],
        Port=80,
        Protocol="HTTP",
        DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}],
    )["Listeners"][0]["ListenerArn"]
    room.rule = elb.create_rule(
        ListenerArn=room.listener,
        Priority=10,
        Conditions=[{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/v1/*"]}}],
        Actions=[{"Type": "forward", "TargetGroupArn": room.group}],
    )["Rules"][0]["RuleArn"]
    room.aws("ecr").create_repository(repositoryName=REPOSITORY)
    _fleet(room, ids)


def _group(elb: Any, vpc: str) -> str:
    arn: str = elb.create_target_group(
        Name="lab",
        Protocol="HTTP",
        Port=8000,
        VpcId=vpc,
        HealthCheckPath="/healthz",
        HealthCheckIntervalSeconds=5,
        HealthCheckTimeoutSeconds=2,
        HealthyThresholdCount=2,
        UnhealthyThresholdCount=2,
    )["TargetGroups"][0]["TargetGroupArn"]
    delay = {"Key": "deregistration_delay.timeout_seconds", "Value": "3"}
    elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=[delay])
    return arn


def _fleet(room: Room, subnets: list[str]) -> None:
    data = {
        "ImageId": "ami-0123456789abcdef0",
        "InstanceType": "g5.xlarge",
        "UserData": base64.b64encode(USER_DATA.encode()).decode(),
    }
    room.aws("ec2").create_launch_template(LaunchTemplateName="lab", LaunchTemplateData=data)
    room.aws("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName="lab",
        MinSize=2,
        MaxSize=3,
        DesiredCapacity=2,
        LaunchTemplate={"LaunchTemplateName": "lab", "Version": "$Latest"},
        VPCZoneIdentifier=",".join(subnets),
        TargetGroupARNs=[room.group],
    )
    eventually(lambda: len(room.world.hosts()) == 2)
    room.hosts = room.world.hosts()
