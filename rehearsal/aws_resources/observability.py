"""Logs, topics, alarms, dashboards, and the snapshot schedule that moto lacks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rehearsal.aws_resources.account import Account, Made, Maker, Request, capitalised


def log_group(account: Account, request: Request) -> Made:
    """A log group with its retention."""
    logs = account.client("logs")
    name = request.inputs["name"]
    logs.create_log_group(logGroupName=name, tags=dict(request.tags))
    logs.put_retention_policy(logGroupName=name, retentionInDays=request.inputs["retentionInDays"])
    return Made(name, {"arn": f"arn:aws:logs:{account.region}:{account.id}:log-group:{name}"})


def topic(account: Account, request: Request) -> Made:
    """An encrypted topic."""
    made = account.client("sns").create_topic(
        Name=request.inputs["name"],
        Attributes={"KmsMasterKeyId": request.inputs["kmsMasterKeyId"]},
        Tags=request.tag_list(),
    )["TopicArn"]
    return Made(made, {"arn": made})


def topic_policy(account: Account, request: Request) -> Made:
    """Who may publish to a topic."""
    arn = request.inputs["arn"]
    account.client("sns").set_topic_attributes(
        TopicArn=arn, AttributeName="Policy", AttributeValue=request.inputs["policy"]
    )
    return Made(arn)


def subscription(account: Account, request: Request) -> Made:
    """Whom a topic tells."""
    made = account.client("sns").subscribe(
        **request.given(TopicArn="topic", Protocol="protocol", Endpoint="endpoint")
    )["SubscriptionArn"]
    return Made(made, {"arn": made})


def alarm(account: Account, request: Request) -> Made:
    """An alarm on one metric, or on an expression of several."""
    parameters: dict[str, Any] = request.given(
        AlarmName="name",
        AlarmDescription="alarmDescription",
        Namespace="namespace",
        MetricName="metricName",
        Statistic="statistic",
        ExtendedStatistic="extendedStatistic",
        ComparisonOperator="comparisonOperator",
        Threshold="threshold",
        Period="period",
        EvaluationPeriods="evaluationPeriods",
        DatapointsToAlarm="datapointsToAlarm",
        TreatMissingData="treatMissingData",
        AlarmActions="alarmActions",
        OKActions="okActions",
    )
    if "metricQueries" in request.inputs:
        parameters["Metrics"] = [_query(query) for query in request.inputs["metricQueries"]]
    else:
        parameters["Dimensions"] = _dimensions(request.inputs)
    account.client("cloudwatch").put_metric_alarm(**parameters, Tags=request.tag_list())
    name = request.inputs["name"]
    return Made(name, {"arn": f"arn:aws:cloudwatch:{account.region}:{account.id}:alarm:{name}"})


def _query(query: Mapping[str, Any]) -> dict[str, Any]:
    """One of an expression's metrics, or the expression itself."""
    made: dict[str, Any] = {"Id": query["id"], "ReturnData": bool(query.get("returnData", False))}
    if "metric" not in query:
        return {**made, "Expression": query["expression"], "Label": query["label"]}
    metric = query["metric"]
    looked_at = {
        "Namespace": metric["namespace"],
        "MetricName": metric["metricName"],
        "Dimensions": _dimensions(metric),
    }
    stat = {"Metric": looked_at, "Period": metric["period"], "Stat": metric["stat"]}
    return {**made, "MetricStat": stat}


def _dimensions(inputs: Mapping[str, Any]) -> list[dict[str, str]]:
    given = inputs.get("dimensions", {})
    return [{"Name": name, "Value": value} for name, value in sorted(given.items())]


def dashboard(account: Account, request: Request) -> Made:
    """A dashboard."""
    account.client("cloudwatch").put_dashboard(
        **request.given(DashboardName="dashboardName", DashboardBody="dashboardBody")
    )
    return Made(request.inputs["dashboardName"])


def snapshot_schedule(account: Account, request: Request) -> Made:
    """moto has no Data Lifecycle Manager: the call is checked and recorded."""
    details = capitalised(request.inputs["policyDetails"])
    tags = request.inputs["policyDetails"]["targetTags"]
    details["TargetTags"] = [{"Key": key, "Value": value} for key, value in sorted(tags.items())]
    for schedule in details["Schedules"]:
        schedule["CreateRule"]["Times"] = [schedule["CreateRule"]["Times"]]
    account.record(
        "dlm",
        "CreateLifecyclePolicy",
        ExecutionRoleArn=request.inputs["executionRoleArn"],
        Description=request.inputs["description"],
        State=request.inputs["state"],
        PolicyDetails=details,
        Tags=dict(request.tags),
    )
    made = "policy-00000000000000001"
    return Made(made, {"arn": f"arn:aws:dlm:{account.region}:{account.id}:policy/{made}"})


MAKERS: dict[str, Maker] = {
    "aws:cloudwatch/logGroup:LogGroup": log_group,
    "aws:sns/topic:Topic": topic,
    "aws:sns/topicPolicy:TopicPolicy": topic_policy,
    "aws:sns/topicSubscription:TopicSubscription": subscription,
    "aws:cloudwatch/metricAlarm:MetricAlarm": alarm,
    "aws:cloudwatch/dashboard:Dashboard": dashboard,
    "aws:dlm/lifecyclePolicy:LifecyclePolicy": snapshot_schedule,
}
