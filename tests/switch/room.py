"""The switch's account, played by moto behind the strict layer.

moto takes weights of 1000, alarms of 15 s and any parameter text; the strict layer checks what the
switch sends against botocore's own service models (enums, patterns, lengths) and AWS's rules. moto
evaluates no alarm, calls no target unhealthy and runs no function: alarms are set, health is
patched, and the handler is called.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.elbv2.models import FakeHealthStatus, FakeTargetGroup

from provision.switch.cloud import Cloud
from provision.switch.settings import Settings, parse
from provision.switch.values import Outcome, Token
from rehearsal.strict.guard import guard_session
from tests.agent.fakes import FakeClock
from tests.switch.scenes import NOW, hosted, tokens

REGION = "us-east-1"
ROOT = "/llm-fleet/test"
INTENT, HINTS = f"{ROOT}/switch/intent", f"{ROOT}/switch/hints"
ALARMS = {
    "canary": "llm-fleet-test-switch-canary",
    "queue": "llm-fleet-test-switch-queue",
    "busy": "llm-fleet-test-switch-busy",
}
SPEND = "llm-fleet-test-spend"
ASG = "llm-fleet-test"
EVENTS = Path(__file__).parent / "events"


def event(name: str) -> dict[str, Any]:
    """A recorded event."""
    recorded: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return recorded


@cache
def session() -> boto3.Session:
    """One for all tests: making clients takes longer than most of them."""
    return guard_session(boto3.Session("testing", "testing", region_name=REGION))


@cache
def client(service: str) -> Any:
    """A guarded client."""
    return session().client(service)  # type: ignore[call-overload]


@dataclass
class FakeAsker:
    """Answers as it was told, at the clock's time."""

    clock: FakeClock
    outcome: Outcome = Outcome.GOOD
    hosted: Outcome = Outcome.GOOD
    asked: int = 0
    asked_hosted: int = 0
    meanwhile: Any = None

    def primary(self) -> tuple[Token, ...]:
        self.asked += 1
        if self.meanwhile:
            self.meanwhile()
        return tokens(self.outcome, at=self.clock.now(), detail="HTTP 502")

    def fallback(self) -> Token:
        self.asked_hosted += 1
        return hosted(self.hosted, at=self.clock.now())


@dataclass
class Room:
    """What stands in the account, and how to look at it."""

    primary: str
    fallback: str
    rule: str
    topic: str
    queue: str
    healthy: bool = True
    clock: FakeClock = field(default_factory=lambda: FakeClock(NOW))

    def document(self, **others: Any) -> dict[str, Any]:
        """The switch's settings."""
        return {
            "environment": "test",
            "primary_target_group_arn": self.primary,
            "fallback_target_group_arn": self.fallback,
            "traffic_rule_arn": self.rule,
            "endpoint": "http://127.0.0.1:1",
            "gateway": "http://127.0.0.1:1",
            "model": "mistral-7b",
            "chat": False,
            "probe_key_secret": "llm-fleet/test/probe-key",
            "parameter_root": ROOT,
            "topic_arn": self.topic,
            "alarms": {role: [name] for role, name in ALARMS.items()},
            "spend_table": SPEND,
            "asg_name": ASG,
            "policy": {"daily_cap_usd": 50},
            **others,
        }

    def settings(self, **others: Any) -> Settings:
        """The same, read."""
        return parse(json.dumps(self.document(**others)))

    def cloud(self, **others: Any) -> Cloud:
        """The switch's own view of it."""
        return Cloud(self.settings(**others), session())

    def weights(self) -> tuple[int, int]:
        """As the rule has them."""
        (rule,) = client("elbv2").describe_rules(RuleArns=[self.rule])["Rules"]
        groups = rule["Actions"][0]["ForwardConfig"]["TargetGroups"]
        found = {group["TargetGroupArn"]: group["Weight"] for group in groups}
        return found[self.primary], found[self.fallback]

    def set_weights(self, primary: int, fallback: int) -> None:
        """As a person does in the console."""
        groups = [
            {"TargetGroupArn": self.primary, "Weight": primary},
            {"TargetGroupArn": self.fallback, "Weight": fallback},
        ]
        forward = {"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}
        client("elbv2").modify_rule(RuleArn=self.rule, Actions=[forward])

    def ring(self, role: str, state: str = "ALARM") -> None:
        """Let an alarm have a state."""
        client("cloudwatch").set_alarm_state(
            AlarmName=ALARMS[role], StateValue=state, StateReason="test"
        )

    def intend(self, **said: Any) -> None:
        """Write an intent."""
        self.write(INTENT, json.dumps({"by": "ann", "reason": "why", **said}))

    def write(self, name: str, text: str) -> None:
        """Write a parameter."""
        client("ssm").put_parameter(Name=name, Value=text, Type="String", Overwrite=True)

    def hints(self) -> dict[str, Any] | None:
        """What the switch remembers."""
        found = client("ssm").get_parameters(Names=[HINTS])["Parameters"]
        return json.loads(found[0]["Value"]) if found else None

    def spend(self, micro_usd: int, day: str = "2026-11-21") -> None:
        """Let a day have cost something."""
        item = {
            "pk": {"S": f"month#{day[:7]}"},
            f"committed#{day[8:]}": {"N": str(micro_usd)},
        }
        client("dynamodb").put_item(TableName=SPEND, Item=item)

    def suspended(self) -> set[str]:
        """What the Auto Scaling group may not do."""
        (group,) = client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[ASG])[
            "AutoScalingGroups"
        ]
        return {process["ProcessName"] for process in group["SuspendedProcesses"]}

    def told(self) -> list[dict[str, str]]:
        """Subject and message of what people were told since they were asked last."""
        said = []
        while True:
            found = client("sqs").receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10)
            messages = found.get("Messages", [])
            if not messages:
                return said
            for message in messages:
                said.append(json.loads(message["Body"]))
                client("sqs").delete_message(
                    QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"]
                )


@contextmanager
def a_room(monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    """The account, for one test."""
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")  # a third of a second each time
    with mock_aws():
        room = _room()
        _health(monkeypatch, room)
        yield room


def _health(monkeypatch: pytest.MonkeyPatch, room: Room) -> None:
    real = FakeTargetGroup.health_for

    def health_for(group: FakeTargetGroup, target: dict[str, Any], ec2: Any) -> FakeHealthStatus:
        status = real(group, target, ec2)
        if group.arn == room.primary and status.status == "healthy" and not room.healthy:
            return FakeHealthStatus(
                target["Id"], "8000", "8081", "unhealthy", "Target.ResponseCodeMismatch", "503"
            )
        return status

    monkeypatch.setattr(FakeTargetGroup, "health_for", health_for)


def _room() -> Room:
    ec2 = client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(
            VpcId=vpc, CidrBlock=f"10.0.{i}.0/24", AvailabilityZone=f"{REGION}{zone}"
        )["Subnet"]["SubnetId"]
        for i, zone in enumerate("ab")
    ]
    primary, fallback = (_group(vpc, side) for side in ("primary", "fallback"))
    rule = _rule(subnets, primary, fallback)
    _fleet(subnets[0], primary)
    topic = client("sns").create_topic(Name="llm-fleet-test-alarms")["TopicArn"]
    queue = client("sqs").create_queue(QueueName="people")["QueueUrl"]
    arn = client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["Attributes"]["QueueArn"])
    _small_things()
    return Room(primary, fallback, rule, topic, queue)


def _group(vpc: str, side: str) -> str:
    made = client("elbv2").create_target_group(
        Name=f"llm-fleet-test-{side}", Protocol="HTTP", Port=8000, VpcId=vpc
    )
    arn: str = made["TargetGroups"][0]["TargetGroupArn"]
    return arn


def _rule(subnets: list[str], primary: str, fallback: str) -> str:
    elbv2 = client("elbv2")
    balancer = elbv2.create_load_balancer(Name="llm-fleet-test", Subnets=subnets)["LoadBalancers"]
    answer = {"StatusCode": "404", "ContentType": "application/json", "MessageBody": "{}"}
    listener = elbv2.create_listener(
        LoadBalancerArn=balancer[0]["LoadBalancerArn"],
        Protocol="HTTP",
        Port=80,
        DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": answer}],
    )["Listeners"][0]["ListenerArn"]
    groups = [
        {"TargetGroupArn": primary, "Weight": 100},
        {"TargetGroupArn": fallback, "Weight": 0},
    ]
    made = elbv2.create_rule(
        ListenerArn=listener,
        Priority=10,
        Conditions=[{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/v1/*"]}}],
        Actions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}],
    )
    arn: str = made["Rules"][0]["RuleArn"]
    return arn


def _fleet(subnet: str, primary: str) -> None:
    ec2, autoscaling = client("ec2"), client("autoscaling")
    image = ec2.register_image(Name="ubuntu")["ImageId"]
    ec2.create_launch_template(
        LaunchTemplateName="hosts",
        LaunchTemplateData={"ImageId": image, "InstanceType": "g5.xlarge"},
    )
    autoscaling.create_auto_scaling_group(
        AutoScalingGroupName=ASG,
        LaunchTemplate={"LaunchTemplateName": "hosts"},
        MinSize=2,
        MaxSize=2,
        VPCZoneIdentifier=subnet,
        TargetGroupARNs=[primary],
    )


def _small_things() -> None:
    for name in ALARMS.values():
        client("cloudwatch").put_metric_alarm(
            AlarmName=name,
            Namespace="llm-fleet/test",
            MetricName="CanaryOk",
            Statistic="Average",
            Period=10,
            EvaluationPeriods=1,
            Threshold=0.5,
            ComparisonOperator="LessThanOrEqualToThreshold",
        )
    client("secretsmanager").create_secret(
        Name="llm-fleet/test/probe-key", SecretString="sk-fleet-probe"
    )
    client("dynamodb").create_table(
        TableName=SPEND,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
