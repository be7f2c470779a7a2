"""Functions, their schedules and callers; tables."""

from __future__ import annotations

from typing import Any

from rehearsal.aws_resources.account import Account, Made, Maker, Request, capitalised


def function(account: Account, request: Request) -> Made:
    """A function from an archive in the bucket. moto keeps it; nobody runs it."""
    inputs = request.inputs
    parameters: dict[str, Any] = request.given(
        FunctionName="name",
        Description="description",
        Runtime="runtime",
        Architectures="architectures",
        Handler="handler",
        MemorySize="memorySize",
        Timeout="timeout",
        Role="role",
    )
    if "vpcConfig" in inputs:
        parameters["VpcConfig"] = capitalised(inputs["vpcConfig"])
    made = account.client("lambda").create_function(
        **parameters,
        Code={"S3Bucket": inputs["s3Bucket"], "S3Key": inputs["s3Key"]},
        Environment={"Variables": inputs["environment"]["variables"]},
        Tags=dict(request.tags),
    )
    return Made(inputs["name"], {"arn": made["FunctionArn"]})


def calls(account: Account, request: Request) -> Made:
    """What becomes of calls that nobody waits for."""
    account.client("lambda").put_function_event_invoke_config(
        **request.given(
            FunctionName="functionName",
            MaximumRetryAttempts="maximumRetryAttempts",
            MaximumEventAgeInSeconds="maximumEventAgeInSeconds",
        )
    )
    return Made(request.inputs["functionName"])


def permission(account: Account, request: Request) -> Made:
    """Who may call."""
    account.client("lambda").add_permission(
        **request.given(
            FunctionName="function",
            StatementId="statementId",
            Action="action",
            Principal="principal",
            SourceAccount="sourceAccount",
            SourceArn="sourceArn",
        )
    )
    return Made(request.inputs["statementId"])


def schedule(account: Account, request: Request) -> Made:
    """A rule that is due again and again."""
    made = account.client("events").put_rule(
        **request.given(
            Name="name", Description="description", ScheduleExpression="scheduleExpression"
        ),
        Tags=request.tag_list(),
    )
    return Made(request.inputs["name"], {"arn": made["RuleArn"]})


def target(account: Account, request: Request) -> Made:
    """What a rule calls."""
    inputs = request.inputs
    wanted = {"Id": inputs["targetId"], "Arn": inputs["arn"]}
    if "retryPolicy" in inputs:
        wanted["RetryPolicy"] = capitalised(inputs["retryPolicy"])
    account.client("events").put_targets(Rule=inputs["rule"], Targets=[wanted])
    return Made(f"{inputs['rule']}-{inputs['targetId']}")


def table(account: Account, request: Request) -> Made:
    """A table on demand, and what it forgets."""
    dynamodb, inputs = account.client("dynamodb"), request.inputs
    made = dynamodb.create_table(
        **request.given(TableName="name", BillingMode="billingMode"),
        KeySchema=[{"AttributeName": inputs["hashKey"], "KeyType": "HASH"}],
        AttributeDefinitions=[
            {"AttributeName": each["name"], "AttributeType": each["type"]}
            for each in inputs["attributes"]
        ],
        Tags=request.tag_list(),
    )["TableDescription"]
    if "ttl" in inputs:
        dynamodb.update_time_to_live(
            TableName=inputs["name"], TimeToLiveSpecification=capitalised(inputs["ttl"])
        )
    return Made(inputs["name"], {"arn": made["TableArn"]})


MAKERS: dict[str, Maker] = {
    "aws:lambda/function:Function": function,
    "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig": calls,
    "aws:lambda/permission:Permission": permission,
    "aws:cloudwatch/eventRule:EventRule": schedule,
    "aws:cloudwatch/eventTarget:EventTarget": target,
    "aws:dynamodb/table:Table": table,
}
