"""The switch: what runs, who calls it, what it is told, and what it may do."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from typing import Any

import pytest

from infra.names import alarm_name
from infra.program import month
from provision.catalog.prices.load import load
from provision.config.environment import Egress, Environment, LoadBalancerSettings, Scheme
from provision.planning.cost.declared import Declared
from provision.planning.cost.usage import Usage
from provision.render.switch import switch_bundle
from provision.switch.settings import Settings, parse
from provision.switch.values import Role
from tests.infra.away import Away
from tests.infra.scenes import AWAY, ROOT, Scene, scene

ACCOUNT = "123456789012"
ARN = "arn:aws"
CERTIFICATE = f"{ARN}:acm:us-east-1:{ACCOUNT}:certificate/0a1b"
ALARMS = (
    *("switch-busy", "switch-canary", "switch-errors-of-hosts"),
    *("switch-errors-of-load-balancer", "switch-queue"),
)


@pytest.fixture(params=AWAY)
def made(request: pytest.FixtureRequest) -> Scene:
    """Each environment with a way out in turn."""
    return scene(request.param)


@pytest.fixture
def away(made: Scene) -> Away:
    """What came of it."""
    assert made.live.away is not None
    return made.live.away


@pytest.fixture
def told(away: Away) -> Settings:
    """What the function reads when it starts."""
    return parse(away.function["Environment"]["Variables"]["SWITCH"])


class TestFunction:
    def test_runs_the_program_as_it_is(self, away: Away) -> None:
        """From an archive that is named by its digest."""
        digest = hashlib.sha256(switch_bundle()).digest()
        assert away.function["CodeSha256"] == base64.b64encode(digest).decode()
        assert away.function["Handler"] == "provision.switch.handler.handler"
        assert away.function["Runtime"] == "python3.13"
        assert away.function["Architectures"] == ["arm64"]

    def test_has_time_for_a_minute_of_looks(self, away: Away) -> None:
        """And no reserved concurrency, which a new account can't give."""
        assert (away.function["Timeout"], away.function["MemorySize"]) == (90, 256)

    def test_a_call_that_failed_is_not_repeated(self, away: Away) -> None:
        """The next tick looks anew."""
        assert away.calls["MaximumRetryAttempts"] == 0
        (target,) = away.targets
        assert target["RetryPolicy"]["MaximumRetryAttempts"] == 0

    def test_its_log_ends(self, made: Scene, away: Away) -> None:
        """Lambda itself would keep it for ever."""
        group = f"/aws/lambda/{made.environment.prefix}-switch"
        assert away.retention[group] == made.environment.observability.log_retention_days

    def test_has_its_rights_and_its_log_before_it_runs(self, made: Scene) -> None:
        """A function in a VPC is refused without them."""
        needed = made.one(":Function").depends_on
        assert "aws:iam/rolePolicy:RolePolicy::switch-function" in needed
        assert "aws:cloudwatch/logGroup:LogGroup::switch-logs" in needed


class TestTold:
    def test_every_resource_is_the_one_that_was_made(self, made: Scene, told: Settings) -> None:
        """Rule, groups, key, topic, table, group of hosts."""
        outputs = made.provisioned.outputs
        assert outputs.fallback is not None
        assert told.traffic_rule_arn == outputs.traffic_rule_arn
        assert told.groups.primary == outputs.primary_target_group_arn
        assert told.groups.fallback == outputs.fallback_target_group_arn
        assert told.probe_key_secret == outputs.probe_key_secret
        assert told.spend_table == outputs.fallback.spend_table
        assert told.asg_name == outputs.asg_name
        assert told.intent_parameter == outputs.fallback.intent_parameter
        assert told.hints_parameter == outputs.fallback.hints_parameter
        topic = made.one(":Topic").inputs["name"]
        assert told.topic_arn == f"{ARN}:sns:us-east-1:{ACCOUNT}:{topic}"

    def test_the_gateway_is_asked_through_the_load_balancer(
        self, made: Scene, told: Settings
    ) -> None:
        """By a rule of its own: a hosted token then proves the whole way."""
        assert told.gateway == told.endpoint == made.provisioned.outputs.endpoint
        rule = made.one(":ListenerRule", "load-balancer-probe-fallback").inputs
        assert rule["conditions"][0]["httpHeader"] == {
            "httpHeaderName": "x-llm-probe",
            "values": ["fallback"],
        }
        (action,) = rule["actions"]
        assert action["targetGroupArn"] == made.provisioned.outputs.fallback_target_group_arn
        assert (
            rule["priority"] < made.one(":ListenerRule", "load-balancer-traffic").inputs["priority"]
        )

    def test_every_alarm_that_it_looks_at_exists(self, told: Settings, away: Away) -> None:
        """One that is gone would be no witness."""
        assert set(told.alarms) == set(Role)
        assert {name for names in told.alarms.values() for name in names} <= set(away.alarms)

    def test_the_policy_is_the_environment_s(self, made: Scene, told: Settings) -> None:
        """Its caps and its holds."""
        assert str(told.policy.daily_cap_usd) == str(made.environment.fallback.daily_usd)
        assert told.policy.hold_s == made.environment.fallback.switch.hold_s


class TestCallers:
    def test_it_is_called_every_minute(self, away: Away) -> None:
        """By a rule that may."""
        assert [tick["ScheduleExpression"] for tick in away.ticks] == ["rate(1 minute)"]
        (target,) = away.targets
        assert target["Arn"] == away.function["FunctionArn"]
        (tick,) = [s for s in away.callers if s["Sid"] == "tick"]
        assert tick["Principal"] == {"Service": "events.amazonaws.com"}
        assert tick["Condition"]["ArnLike"]["AWS:SourceArn"] == away.ticks[0]["Arn"]

    def test_its_alarms_may_call_it_and_do(self, made: Scene, away: Away) -> None:
        """Each by its ARN, of this account, when it rings and not when it stops."""
        callers = {s["Sid"]: s for s in away.callers if s["Sid"] != "tick"}
        assert set(callers) == set(ALARMS)
        for name, statement in callers.items():
            full = alarm_name(made.environment, name)
            assert statement["Principal"] == {"Service": "lambda.alarms.cloudwatch.amazonaws.com"}
            assert (
                statement["Condition"]["ArnLike"]["AWS:SourceArn"] == away.alarms[full]["AlarmArn"]
            )
            assert statement["Condition"]["StringEquals"]["AWS:SourceAccount"] == ACCOUNT
            assert away.alarms[full]["AlarmActions"] == [away.function["FunctionArn"]]
            assert away.alarms[full]["OKActions"] == []

    @pytest.mark.parametrize(
        ("name", "metric", "silence"),
        [
            ("switch-fails", "Errors", "notBreaching"),
            ("switch-silent", "Invocations", "breaching"),
            ("switch-throttled", "Throttles", "notBreaching"),
        ],
    )
    def test_people_hear_when_it_can_t_act(
        self, made: Scene, away: Away, name: str, metric: str, silence: str
    ) -> None:
        """Errors at once; three minutes without a call, whatever the reason."""
        alarm = away.alarms[alarm_name(made.environment, name)]
        assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/Lambda", metric)
        assert alarm["Dimensions"] == [
            {"Name": "FunctionName", "Value": f"{made.environment.prefix}-switch"}
        ]
        assert alarm["TreatMissingData"] == silence
        (topic,) = alarm["AlarmActions"]
        assert ":sns:" in topic


class TestRights:
    def test_it_may_move_one_rule_and_little_else(self, made: Scene) -> None:
        """Statement by statement."""
        outputs, prefix = made.provisioned.outputs, made.environment.prefix
        assert outputs.fallback is not None
        root = f"{ARN}:ssm:us-east-1:{ACCOUNT}:parameter"
        found = {s["Sid"]: s for name, s in made.policies() if name == "switch-function"}
        said = {sid: (s["Action"], s["Resource"]) for sid, s in found.items()}
        interfaces = said.pop("Interfaces")[0]
        assert said.pop("NotItsOwnCode") == (interfaces, ["*"])
        (key,) = said.pop("TellUnderKey")[1]
        (group,) = said.pop("KeepHosts")[1]
        (probe,) = said.pop("Ask")[1]
        assert key == made.one(":Topic").inputs["kmsMasterKeyId"]
        assert group == made.live.groups[0]["AutoScalingGroupARN"]
        assert probe.startswith(
            f"{ARN}:secretsmanager:us-east-1:{ACCOUNT}:secret:{outputs.probe_key_secret}-"
        )
        assert said == {
            "MoveTraffic": (["elasticloadbalancing:ModifyRule"], [outputs.traffic_rule_arn]),
            "Look": (
                [
                    "autoscaling:DescribeAutoScalingGroups",
                    "cloudwatch:DescribeAlarms",
                    "elasticloadbalancing:DescribeRules",
                    "elasticloadbalancing:DescribeTargetHealth",
                ],
                ["*"],
            ),
            "ReadNotes": (
                ["ssm:GetParameters"],
                [
                    f"{root}{outputs.fallback.intent_parameter}",
                    f"{root}{outputs.fallback.hints_parameter}",
                ],
            ),
            "Remember": (["ssm:PutParameter"], [f"{root}{outputs.fallback.hints_parameter}"]),
            "Tell": (["sns:Publish"], [f"{ARN}:sns:us-east-1:{ACCOUNT}:{prefix}-alarms"]),
            "ReadSpend": (
                ["dynamodb:GetItem"],
                [f"{ARN}:dynamodb:us-east-1:{ACCOUNT}:table/{prefix}-spend"],
            ),
            "Logs": (
                ["logs:CreateLogStream", "logs:PutLogEvents"],
                [f"{ARN}:logs:us-east-1:{ACCOUNT}:log-group:/aws/lambda/{prefix}-switch:*"],
            ),
        }

    def test_they_are_those_of_its_page(self, made: Scene) -> None:
        """docs/fallback-switch.md lists every call that it makes, and a test holds it to them."""
        text = (ROOT / "docs/fallback-switch.md").read_text()
        needs = text.split("## What it needs\n")[1].split("\n## ")[0]
        documented = set(re.findall(r"`(\w+:\w+)`", needs))
        given = {a for name, s in made.policies() if name == "switch-function" for a in s["Action"]}
        beside = ("logs:", "kms:", "ec2:")
        assert {action for action in given if not action.startswith(beside)} == documented

    def test_interfaces_are_lambda_s_business(self, made: Scene) -> None:
        """The same rights that Lambda needs are denied to the function's own code."""
        (deny,) = [s for _, s in made.policies() if s["Effect"] == "Deny"]
        function = f"{ARN}:lambda:us-east-1:{ACCOUNT}:function:{made.environment.prefix}-switch"
        assert deny["Condition"] == {"ArnEquals": {"lambda:SourceFunctionArn": [function]}}

    def test_only_lambda_takes_the_role(self, made: Scene) -> None:
        """Nobody else."""
        role = made.one(":Role", "switch-function").inputs
        (statement,) = json.loads(role["assumeRolePolicy"])["Statement"]
        assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}


class TestPlace:
    def test_it_stands_inside_where_the_load_balancer_does(self, made: Scene, away: Away) -> None:
        """And is let in as a group."""
        group = made.live.security_groups[f"{made.environment.prefix}-switch"]
        assert away.function["VpcConfig"]["SecurityGroupIds"] == [group["GroupId"]]
        assert len(away.function["VpcConfig"]["SubnetIds"]) == 2
        balancer = made.live.security_groups[f"{made.environment.prefix}-load-balancer"]
        sources = [
            (permission["FromPort"], pair["GroupId"])
            for permission in balancer["IpPermissions"]
            for pair in permission["UserIdGroupPairs"]
        ]
        assert sources == [(80, group["GroupId"])]
        assert group["IpPermissions"] == []

    def test_everyone_may_knock_so_it_stands_outside(self) -> None:
        """No network, no interfaces, no group."""
        found = declared(facing("0.0.0.0/0"))
        assert "vpcConfig" not in found["switch-function", ":Function"].inputs
        policy = found["switch-function", ":RolePolicy"].inputs["policy"]
        assert "ec2:" not in policy
        assert ("fallback-firewall-switch", ":SecurityGroup") not in found

    def test_some_may_knock_so_it_comes_through_nat(self) -> None:
        """From the one address that the load balancer can know."""
        found = declared(facing("203.0.113.0/24"))
        assert "vpcConfig" in found["switch-function", ":Function"].inputs
        rule = found["fallback-firewall-nat-to-load-balancer", ":SecurityGroupIngressRule"].inputs
        assert rule["cidrIpv4"].endswith("/32")
        assert (rule["fromPort"], rule["toPort"]) == (443, 443)

    def test_in_an_existing_network_its_owner_lets_it_in(self) -> None:
        """Nobody else knows which address its NAT gateway has."""
        base = facing("203.0.113.0/24")
        network = replace(
            base.network,
            vpc_id="vpc-0123456789abcdef0",
            private_subnet_ids=("subnet-1", "subnet-2"),
            public_subnet_ids=("subnet-3", "subnet-4"),
        )
        found = declared(replace(base, network=network))
        assert "vpcConfig" in found["switch-function", ":Function"].inputs
        assert ("fallback-firewall-nat-to-load-balancer", ":SecurityGroupIngressRule") not in found


def facing(*cidrs: str) -> Environment:
    """`hosted`, but with a load balancer that faces the internet."""
    base = scene("hosted").environment
    return replace(
        base,
        network=replace(base.network, egress=Egress.NAT),
        load_balancer=LoadBalancerSettings(
            scheme=Scheme.INTERNET_FACING,
            certificate_arn=CERTIFICATE,
            domain_name="llm.example.com",
            allowed_cidrs=cidrs,
        ),
    )


def declared(environment: Environment) -> dict[tuple[str, str], Declared]:
    """What the program declares, without an account, by name and kind."""
    found: tuple[Declared, ...] = month(environment, load(), Usage()).resources
    return {(one.name, ":" + one.type.rsplit(":", 1)[-1]): one for one in found}


def test_the_archive_is_the_same_everywhere() -> None:
    """And has nothing but the program in it."""
    import io
    import zipfile

    assert switch_bundle() == switch_bundle()
    with zipfile.ZipFile(io.BytesIO(switch_bundle())) as packed:
        names: list[str] = packed.namelist()
        stamps: set[Any] = {entry.date_time for entry in packed.infolist()}
    assert all(
        name == "provision/__init__.py" or name.startswith("provision/switch/") for name in names
    )
    assert "provision/switch/handler.py" in names
    assert stamps == {(1980, 1, 1, 0, 0, 0)}
