"""Load balancer, target groups, listeners and rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rehearsal.aws_resources.account import Account, Made, Maker, Request


def load_balancer(account: Account, request: Request) -> Made:
    """An ALB; its DNS name is the rehearsal's address for it when there is one."""
    elbv2 = account.client("elbv2")
    made = elbv2.create_load_balancer(
        **request.given(
            Name="name", Type="loadBalancerType", Subnets="subnets", SecurityGroups="securityGroups"
        ),
        Scheme="internal" if request.inputs["internal"] else "internet-facing",
        Tags=request.tag_list(),
    )["LoadBalancers"][0]
    arn = made["LoadBalancerArn"]
    elbv2.modify_load_balancer_attributes(
        LoadBalancerArn=arn,
        Attributes=_attributes(
            request,
            idleTimeout="idle_timeout.timeout_seconds",
            dropInvalidHeaderFields="routing.http.drop_invalid_header_fields.enabled",
            enableDeletionProtection="deletion_protection.enabled",
        ),
    )
    return Made(
        arn,
        {
            "arn": arn,
            "arnSuffix": arn.split(":loadbalancer/")[1],
            "dnsName": account.load_balancer_address or made["DNSName"],
        },
    )


def target_group(account: Account, request: Request) -> Made:
    """A target group with its health check and attributes."""
    elbv2 = account.client("elbv2")
    check = request.inputs["healthCheck"]
    made = elbv2.create_target_group(
        **request.given(
            Name="name", Protocol="protocol", Port="port", VpcId="vpcId", TargetType="targetType"
        ),
        HealthCheckEnabled=check["enabled"],
        HealthCheckProtocol=check["protocol"],
        HealthCheckPort=check["port"],
        HealthCheckPath=check["path"],
        HealthCheckIntervalSeconds=check["interval"],
        HealthCheckTimeoutSeconds=check["timeout"],
        HealthyThresholdCount=check["healthyThreshold"],
        UnhealthyThresholdCount=check["unhealthyThreshold"],
        Matcher={"HttpCode": check["matcher"]},
        Tags=request.tag_list(),
    )["TargetGroups"][0]["TargetGroupArn"]
    stickiness = request.inputs.get("stickiness", {})
    elbv2.modify_target_group_attributes(
        TargetGroupArn=made,
        Attributes=[
            *_attributes(
                request,
                deregistrationDelay="deregistration_delay.timeout_seconds",
                loadBalancingAlgorithmType="load_balancing.algorithm.type",
            ),
            {"Key": "stickiness.enabled", "Value": _text(stickiness.get("enabled", False))},
            {"Key": "stickiness.type", "Value": stickiness.get("type", "lb_cookie")},
        ],
    )
    return Made(made, {"arn": made, "arnSuffix": made.rsplit(":", 1)[1]})


def listener(account: Account, request: Request) -> Made:
    """A listener with its default action."""
    parameters: dict[str, Any] = request.given(
        LoadBalancerArn="loadBalancerArn", Port="port", Protocol="protocol", SslPolicy="sslPolicy"
    )
    if "certificateArn" in request.inputs:
        parameters["Certificates"] = [{"CertificateArn": request.inputs["certificateArn"]}]
    made = account.client("elbv2").create_listener(
        **parameters,
        DefaultActions=[_action(action) for action in request.inputs["defaultActions"]],
        Tags=request.tag_list(),
    )["Listeners"][0]["ListenerArn"]
    return Made(made, {"arn": made})


def rule(account: Account, request: Request) -> Made:
    """A rule of a listener."""
    made = account.client("elbv2").create_rule(
        ListenerArn=request.inputs["listenerArn"],
        Priority=request.inputs["priority"],
        Conditions=[_condition(condition) for condition in request.inputs["conditions"]],
        Actions=[_action(action) for action in request.inputs["actions"]],
        Tags=request.tag_list(),
    )["Rules"][0]["RuleArn"]
    return Made(made, {"arn": made})


def _action(action: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"Type": action["type"]}
    if "targetGroupArn" in action:
        made["TargetGroupArn"] = action["targetGroupArn"]
    if "forward" in action:
        groups = action["forward"]["targetGroups"]
        made["ForwardConfig"] = {
            "TargetGroups": [
                {"TargetGroupArn": group["arn"], "Weight": group["weight"]} for group in groups
            ]
        }
    if "fixedResponse" in action:
        fixed = action["fixedResponse"]
        made["FixedResponseConfig"] = {
            "ContentType": fixed["contentType"],
            "MessageBody": fixed["messageBody"],
            "StatusCode": fixed["statusCode"],
        }
    if "redirect" in action:
        to = action["redirect"]
        made["RedirectConfig"] = {
            "Port": to["port"],
            "Protocol": to["protocol"],
            "StatusCode": to["statusCode"],
        }
    return made


def _condition(condition: Mapping[str, Any]) -> dict[str, Any]:
    if "httpHeader" in condition:
        header = condition["httpHeader"]
        config = {"HttpHeaderName": header["httpHeaderName"], "Values": header["values"]}
        return {"Field": "http-header", "HttpHeaderConfig": config}
    values = condition["pathPattern"]["values"]
    return {"Field": "path-pattern", "PathPatternConfig": {"Values": values}}


def _attributes(request: Request, **names: str) -> list[dict[str, str]]:
    return [
        {"Key": key, "Value": _text(request.inputs[name])}
        for name, key in names.items()
        if name in request.inputs
    ]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


MAKERS: dict[str, Maker] = {
    "aws:lb/loadBalancer:LoadBalancer": load_balancer,
    "aws:lb/targetGroup:TargetGroup": target_group,
    "aws:lb/listener:Listener": listener,
    "aws:lb/listenerRule:ListenerRule": rule,
}
