"""Logs, alarms, and whom they tell."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws.cloudwatch as cloudwatch
import pulumi_aws.sns as sns
from pulumi import Input, Output, ResourceOptions

from infra.alarms import Alarm, Subject, alarms
from infra.dashboard import Shown, dashboard_body
from infra.names import log_group_name
from provision.config.environment import Environment

_NAMESPACE = {
    Subject.LOAD_BALANCER: "AWS/ApplicationELB",
    Subject.PRIMARY: "AWS/ApplicationELB",
    Subject.FLEET: "AWS/AutoScaling",
}


@dataclass(frozen=True)
class ObservabilityArgs:
    """What is looked at."""

    environment: Environment
    key_arn: Output[str]
    load_balancer_suffix: Output[str]
    primary_suffix: Output[str]
    fallback_suffix: Output[str]
    asg_name: Output[str]


class Observability(pulumi.ComponentResource):
    """One log group, one topic, the alarms of :mod:`infra.alarms`, one dashboard."""

    log_group: Output[str]
    topic_arn: Output[str]

    def __init__(
        self, name: str, args: ObservabilityArgs, opts: ResourceOptions | None = None
    ) -> None:
        super().__init__("llm-fleet:infra:Observability", name, None, opts)
        self._name, self._args = name, args
        self._prefix = args.environment.prefix
        self.log_group = self._logs()
        self.topic_arn = self._topic()
        for alarm in alarms(args.environment):
            self._alarm(alarm)
        self._dashboard()
        self.register_outputs({})

    def _logs(self) -> Output[str]:
        name = log_group_name(self._args.environment)
        group = cloudwatch.LogGroup(
            f"{self._name}-hosts",
            name=name,
            retention_in_days=self._args.environment.observability.log_retention_days,
            tags={"Name": name},
            opts=ResourceOptions(parent=self),
        )
        return group.name

    def _topic(self) -> Output[str]:
        topic = sns.Topic(
            f"{self._name}-alarms",
            name=f"{self._prefix}-alarms",
            kms_master_key_id=self._args.key_arn,
            tags={"Name": f"{self._prefix}-alarms"},
            opts=ResourceOptions(parent=self),
        )
        email = self._args.environment.observability.alarm_email
        if email:
            sns.TopicSubscription(
                f"{self._name}-email",
                topic=topic.arn,
                protocol="email",
                endpoint=email,
                opts=ResourceOptions(parent=self),
            )
        return topic.arn

    def _alarm(self, alarm: Alarm) -> None:
        percentile = alarm.statistic.startswith("p")
        cloudwatch.MetricAlarm(
            f"{self._name}-{alarm.name}",
            name=f"{self._prefix}-{alarm.name}",
            alarm_description=alarm.description,
            namespace=_NAMESPACE[alarm.subject],
            metric_name=alarm.metric,
            dimensions=self._dimensions(alarm.subject),
            statistic=None if percentile else alarm.statistic,
            extended_statistic=alarm.statistic if percentile else None,
            comparison_operator=alarm.comparison,
            threshold=alarm.threshold,
            period=60,
            evaluation_periods=alarm.minutes,
            datapoints_to_alarm=alarm.datapoints,
            treat_missing_data=alarm.missing,
            alarm_actions=[self.topic_arn],
            ok_actions=[self.topic_arn],
            tags={"Name": f"{self._prefix}-{alarm.name}"},
            opts=ResourceOptions(parent=self),
        )

    def _dimensions(self, subject: Subject) -> dict[str, Input[str]]:
        if subject is Subject.FLEET:
            return {"AutoScalingGroupName": self._args.asg_name}
        balancer: dict[str, Input[str]] = {"LoadBalancer": self._args.load_balancer_suffix}
        if subject is Subject.PRIMARY:
            balancer["TargetGroup"] = self._args.primary_suffix
        return balancer

    def _dashboard(self) -> None:
        args = self._args
        body = Output.all(
            args.load_balancer_suffix, args.primary_suffix, args.fallback_suffix, args.asg_name
        ).apply(lambda parts: dashboard_body(args.environment, Shown(*parts)))
        cloudwatch.Dashboard(
            f"{self._name}-dashboard",
            dashboard_name=self._prefix,
            dashboard_body=body,
            opts=ResourceOptions(parent=self),
        )
