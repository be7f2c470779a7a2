"""AWS, as the switch sees it. Every call says what it could not do, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from provision.switch import rule as rules
from provision.switch.errors import SwitchError
from provision.switch.rule import Rule
from provision.switch.settings import Settings
from provision.switch.values import Alarm, Hosts
from provision.switch.world import Alarms, Notes

# Both shrink a group that has nothing to do, which is what it looks like while it has no traffic.
SHRINKING = ("AlarmNotification", "ScheduledActions")
MICRO = Decimal(1_000_000)
_SUBJECT_MAX = 100
_STARTING = ("initial",)
_LEAVING = ("draining", "unhealthy.draining", "unused")
_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError")
_THROTTLED = ("Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests")
# One look has seconds, not minutes: the next one tries again.
_PATIENCE = Config(
    connect_timeout=2, read_timeout=3, retries={"max_attempts": 2, "mode": "standard"}
)


class Cloud:
    """The calls that the switch makes; clients are kept while the function stays warm."""

    def __init__(self, settings: Settings, session: boto3.Session | None = None) -> None:
        self._settings = settings
        self._session = session or boto3.Session()
        self._clients: dict[str, Any] = {}

    def rule(self) -> Rule:
        """The traffic rule as it is now."""
        arn = self._settings.traffic_rule_arn
        with _calling("read the traffic rule"):
            found = self._client("elbv2").describe_rules(RuleArns=[arn])["Rules"]
        if not found:
            raise SwitchError(f"there is no traffic rule {arn}", hint=_GONE)
        return rules.read(found[0]["Actions"], self._settings.groups)

    def move(self, rule: Rule, share: int) -> None:
        """Write the weights."""
        actions = rules.moved(rule, share, self._settings.groups)
        with _calling(f"give the primary {share} %"):
            self._client("elbv2").modify_rule(
                RuleArn=self._settings.traffic_rule_arn, Actions=actions
            )

    def notes(self) -> Notes:
        """Intent and hints, in one call."""
        names = (self._settings.intent_parameter, self._settings.hints_parameter)
        with _calling("read intent and hints"):
            answer = self._client("ssm").get_parameters(Names=list(names))
        found = {parameter["Name"]: parameter for parameter in answer["Parameters"]}
        intent, hints = (found.get(name, {}) for name in names)
        return Notes(
            intent.get("Value"), intent.get("Version"), hints.get("Value"), hints.get("Version")
        )

    def put_hints(self, text: str) -> None:
        """Write the hints."""
        with _calling("write the hints"):
            self._client("ssm").put_parameter(
                Name=self._settings.hints_parameter, Value=text, Type="String", Overwrite=True
            )

    def hosts(self) -> Hosts:
        """The primary's targets, by state."""
        with _calling("look at the primary's targets"):
            answer = self._client("elbv2").describe_target_health(
                TargetGroupArn=self._settings.groups.primary
            )
        states = [target["TargetHealth"]["State"] for target in answer["TargetHealthDescriptions"]]
        return Hosts(
            healthy=states.count("healthy"),
            unhealthy=sum(s not in ("healthy", *_STARTING, *_LEAVING) for s in states),
            starting=sum(state in _STARTING for state in states),
            leaving=sum(state in _LEAVING for state in states),
        )

    def alarms(self) -> Alarms:
        """The worst state of each role's alarms."""
        names = sorted({name for role in self._settings.alarms.values() for name in role})
        if not names:
            return Alarms({})
        with _calling("read the alarms"):
            answer = self._client("cloudwatch").describe_alarms(
                AlarmNames=names, AlarmTypes=["MetricAlarm", "CompositeAlarm"], MaxRecords=100
            )
        said = [*answer.get("MetricAlarms", ()), *answer.get("CompositeAlarms", ())]
        states = {alarm["AlarmName"]: Alarm(alarm["StateValue"]) for alarm in said}
        return Alarms(
            {role: _worst(states, names) for role, names in self._settings.alarms.items()},
            ringing=tuple(name for name in names if states.get(name) is Alarm.ALARM),
            gone=tuple(name for name in names if name not in states),
        )

    def spent_usd(self, day: str) -> Decimal | None:
        """What the gateways' counter says of *day*, open reservations included.

        An item a month; a day that is not in it has cost nothing yet.
        """
        table = self._settings.spend_table
        if table is None:
            return None
        with _calling(f"read what was spent on {day}"):
            answer = self._client("dynamodb").get_item(
                TableName=table, Key={"pk": {"S": f"month#{day[:7]}"}}, ConsistentRead=True
            )
        micro = answer.get("Item", {}).get(f"committed#{day[8:]}", {}).get("N", "0")
        return Decimal(micro) / MICRO

    def tell(self, subject: str, text: str) -> None:
        """Publish to the environment's topic."""
        with _calling("tell people"):
            self._client("sns").publish(
                TopicArn=self._settings.topic_arn, Subject=subject[:_SUBJECT_MAX], Message=text
            )

    def floor(self) -> tuple[str, ...]:
        """Suspend what could shrink the group, as far as nobody suspended it before."""
        name = self._settings.asg_name
        if name is None:
            return ()
        with _calling("keep the group from shrinking"):
            groups = self._client("autoscaling").describe_auto_scaling_groups(
                AutoScalingGroupNames=[name]
            )["AutoScalingGroups"]
            already = {p["ProcessName"] for g in groups for p in g["SuspendedProcesses"]}
            mine = tuple(process for process in SHRINKING if process not in already)
            if mine:
                self._client("autoscaling").suspend_processes(
                    AutoScalingGroupName=name, ScalingProcesses=list(mine)
                )
        return mine

    def lift(self, processes: tuple[str, ...]) -> None:
        """Resume what :meth:`floor` suspended."""
        name = self._settings.asg_name
        if name is None or not processes:
            return
        with _calling("let the group shrink and grow again"):
            self._client("autoscaling").resume_processes(
                AutoScalingGroupName=name, ScalingProcesses=list(processes)
            )

    def probe_key(self) -> str:
        """The client key with which the switch asks."""
        name = self._settings.probe_key_secret
        with _calling(f"read the probe key {name}"):
            answer = self._client("secretsmanager").get_secret_value(SecretId=name)
        key: str = answer["SecretString"]
        return key

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self._session.client(  # type: ignore[call-overload]
                service, endpoint_url=self._settings.aws_endpoint_url, config=_PATIENCE
            )
        return self._clients[service]


_GONE = "`pulumi up --refresh` makes it again; until then nobody can move traffic"


def _worst(states: dict[str, Alarm], names: tuple[str, ...]) -> Alarm:
    found = [states.get(name, Alarm.GONE) for name in names]
    return min(found, key=_WORST_FIRST.index)


_WORST_FIRST = (Alarm.ALARM, Alarm.GONE, Alarm.INSUFFICIENT_DATA, Alarm.OK)


@contextmanager
def _calling(what: str) -> Iterator[None]:
    """Turn botocore's errors into SwitchError."""
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        raise SwitchError(f"can't {what}: {error}", hint=_hint(code)) from None
    except BotoCoreError as error:
        raise SwitchError(
            f"can't {what}: {error}", hint="does the function reach AWS from its subnets?"
        ) from None


def _hint(code: str) -> str:
    if code in _DENIED:
        return "the function's role does not cover it: `pulumi up` gives it its rights back"
    if code in _THROTTLED:
        return "AWS throttles: the next look tries again"
    if code in ("RuleNotFound", "RuleNotFoundException"):
        return _GONE
    if code == "ResourceNotFoundException":
        return "`pulumi up` makes what is missing; `fab deploy` writes the probe key"
    return ""
