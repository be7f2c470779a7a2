"""Logs, alarms, and whom they tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws.cloudwatch as cloudwatch
import pulumi_aws.sns as sns
from pulumi import Input, Output, ResourceOptions

from infra.alarms import alarms, switch_alarms
from infra.dashboard import Shown, dashboard_body
from infra.names import log_group_name, metric_namespace, switch_name, topic_name
from infra.series import NAMESPACES, Alarm, Series, Subject
from provision.config.environment import Environment


@dataclass(frozen=True)
class ObservabilityArgs:
    """What is looked at, and the switch's function, which its own alarms call (None: nobody)."""

    environment: Environment
    key_arn: Output[str]
    load_balancer_suffix: Output[str]
    primary_suffix: Output[str]
    fallback_suffix: Output[str]
    asg_name: Output[str]
    switch_arn: Output[str] | None = None


class Observability(pulumi.ComponentResource):
    """One log group, one topic, the alarms of :mod:`infra.alarms`, one dashboard.

    People hear of an alarm and of its end. The switch is called for an alarm only: that one went
    OK says nothing of a fleet without traffic.
    """

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
            self._alarm(alarm, called=[self.topic_arn], told_of_end=[self.topic_arn])
        calls = [args.switch_arn] if args.switch_arn is not None else []
        for role in switch_alarms(args.environment).values():
            for alarm in role:
                self._alarm(alarm, called=calls, told_of_end=[])
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
            name=topic_name(self._args.environment),
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

    def _alarm(
        self, alarm: Alarm, *, called: list[Output[str]], told_of_end: list[Output[str]]
    ) -> None:
        looks_at = self._formula(alarm) if alarm.expression else self._single(alarm)
        cloudwatch.MetricAlarm(
            f"{self._name}-{alarm.name}",
            name=f"{self._prefix}-{alarm.name}",
            alarm_description=alarm.description,
            comparison_operator=alarm.comparison,
            threshold=alarm.threshold,
            evaluation_periods=alarm.periods,
            datapoints_to_alarm=alarm.datapoints,
            treat_missing_data=alarm.missing,
            alarm_actions=called,
            ok_actions=told_of_end,
            tags={"Name": f"{self._prefix}-{alarm.name}"},
            opts=ResourceOptions(parent=self),
            **looks_at,
        )

    def _single(self, alarm: Alarm) -> dict[str, Any]:
        (series,) = alarm.series
        percentile = series.statistic.startswith("p")
        return {
            "namespace": self._namespace(series),
            "metric_name": series.metric,
            "dimensions": self._dimensions(series.subject),
            "statistic": None if percentile else series.statistic,
            "extended_statistic": series.statistic if percentile else None,
            "period": alarm.period_s,
        }

    def _formula(self, alarm: Alarm) -> dict[str, Any]:
        queries = [
            cloudwatch.MetricAlarmMetricQueryArgs(
                id=series.id,
                metric=cloudwatch.MetricAlarmMetricQueryMetricArgs(
                    namespace=self._namespace(series),
                    metric_name=series.metric,
                    dimensions=self._dimensions(series.subject),
                    stat=series.statistic,
                    period=alarm.period_s,
                ),
            )
            for series in alarm.series
        ]
        result = cloudwatch.MetricAlarmMetricQueryArgs(
            id="e", expression=alarm.expression, label=alarm.name, return_data=True
        )
        return {"metric_queries": [*queries, result]}

    def _namespace(self, series: Series) -> str:
        return NAMESPACES.get(series.subject) or metric_namespace(self._args.environment)

    def _dimensions(self, subject: Subject) -> dict[str, Input[str]]:
        args = self._args
        balancer: dict[str, Input[str]] = {"LoadBalancer": args.load_balancer_suffix}
        known: dict[Subject, dict[str, Input[str]]] = {
            Subject.OWN: {},
            Subject.FLEET: {"AutoScalingGroupName": args.asg_name},
            Subject.SWITCH: {"FunctionName": switch_name(args.environment)},
            Subject.LOAD_BALANCER: balancer,
            Subject.PRIMARY: {**balancer, "TargetGroup": args.primary_suffix},
            Subject.FALLBACK: {**balancer, "TargetGroup": args.fallback_suffix},
        }
        return known[subject]

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
