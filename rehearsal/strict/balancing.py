"""Rules of load balancers."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rehearsal.strict.refusal import Look, Params, Refusal, Rule

NAME_MAX = 32
_NAME = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?")
WEIGHT_MAX, GROUPS_MAX = 999, 5
MESSAGE_MAX = 1024
PRIORITY_MAX = 50_000
ZONES_MIN = 2
_SECONDS = {
    "idle_timeout.timeout_seconds": (1, 4000),
    "client_keep_alive.seconds": (60, 604_800),
    "deregistration_delay.timeout_seconds": (0, 3600),
    "slow_start.duration_seconds": (0, 900),
}
_ATTRIBUTES = {
    "idle_timeout.timeout_seconds",
    "client_keep_alive.seconds",
    "deletion_protection.enabled",
    "access_logs.s3.enabled",
    "access_logs.s3.bucket",
    "access_logs.s3.prefix",
    "routing.http2.enabled",
    "routing.http.drop_invalid_header_fields.enabled",
    "routing.http.desync_mitigation_mode",
    "routing.http.preserve_host_header.enabled",
    "routing.http.xff_client_port.enabled",
    "routing.http.xff_header_processing.mode",
    "routing.http.x_amzn_tls_version_and_cipher_suite.enabled",
    "waf.fail_open.enabled",
    "zonal_shift.config.enabled",
    "load_balancing.cross_zone.enabled",
    "deregistration_delay.timeout_seconds",
    "slow_start.duration_seconds",
    "stickiness.enabled",
    "stickiness.type",
    "stickiness.lb_cookie.duration_seconds",
    "stickiness.app_cookie.cookie_name",
    "stickiness.app_cookie.duration_seconds",
    "load_balancing.algorithm.type",
    "load_balancing.algorithm.anomaly_mitigation",
    "target_group_health.dns_failover.minimum_healthy_targets.count",
    "target_group_health.dns_failover.minimum_healthy_targets.percentage",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage",
}


def name(params: Params, look: Look) -> Refusal | None:  # noqa: ARG001  # it is a Rule
    """Names of load balancers and target groups: 32 letters, digits and inner hyphens."""
    text = params["Name"]
    if len(text) > NAME_MAX or not _NAME.fullmatch(text) or text.startswith("internal-"):
        return Refusal("ValidationError", f"{text!r} is no name: {NAME_MAX} letters, digits, -")
    return None


def zones(params: Params, look: Look) -> Refusal | None:
    """An application load balancer stands in two zones, with one subnet in each."""
    if params.get("Type", "application") != "application":
        return None
    mapped = [mapping["SubnetId"] for mapping in params.get("SubnetMappings", ())]
    subnets = [*params.get("Subnets", ()), *mapped]
    found = look("ec2").describe_subnets(SubnetIds=subnets)["Subnets"] if subnets else []
    in_zones = [subnet["AvailabilityZone"] for subnet in found]
    if len(set(in_zones)) < ZONES_MIN:
        return Refusal("ValidationError", "subnets in at least two Availability Zones are needed")
    if len(set(in_zones)) < len(in_zones):
        return Refusal("InvalidConfigurationRequest", "more than one subnet in one zone")
    return None


def health_check(params: Params, look: Look) -> Refusal | None:  # noqa: ARG001
    """Ranges of health checks; a check ends before the next begins."""
    ranges = {
        "HealthCheckIntervalSeconds": (5, 300),
        "HealthCheckTimeoutSeconds": (2, 120),
        "HealthyThresholdCount": (2, 10),
        "UnhealthyThresholdCount": (2, 10),
    }
    for field, (low, high) in ranges.items():
        if field in params and not low <= params[field] <= high:
            return Refusal("ValidationError", f"{field} {params[field]}: {low} to {high}")
    interval = params.get("HealthCheckIntervalSeconds")
    timeout = params.get("HealthCheckTimeoutSeconds")
    if interval is not None and timeout is not None and timeout >= interval:
        return Refusal(
            "ValidationError", f"health check timeout {timeout} is not less than {interval}"
        )
    return None


def attributes(params: Params, look: Look) -> Refusal | None:  # noqa: ARG001
    """Attributes that exist, within their ranges, and not at odds with each other."""
    given = {entry["Key"]: entry.get("Value", "") for entry in params["Attributes"]}
    for key, value in given.items():
        if key not in _ATTRIBUTES:
            return Refusal("ValidationError", f"attribute {key!r} does not exist")
        low, high = _SECONDS.get(key, (0, 0))
        if high and not (value.isdigit() and low <= int(value) <= high):
            return Refusal("ValidationError", f"{key} {value!r}: {low} to {high}")
    slow = int(given.get("slow_start.duration_seconds") or 0)
    algorithm = given.get("load_balancing.algorithm.type", "round_robin")
    if slow and (slow < 30 or algorithm != "round_robin"):
        return Refusal("ValidationError", "slow start: from 30 s, with round_robin only")
    return None


def actions(params: Params, look: Look) -> Refusal | None:  # noqa: ARG001
    """Weights of a forward, bodies of a fixed response."""
    for action in _actions(params):
        groups = action.get("ForwardConfig", {}).get("TargetGroups", ())
        weights = [group.get("Weight", 1) for group in groups]
        if len(groups) > GROUPS_MAX:
            return Refusal("TooManyTargetGroups", f"a forward has {GROUPS_MAX} groups at most")
        if any(not 0 <= weight <= WEIGHT_MAX for weight in weights):
            return Refusal("ValidationError", f"weights {weights}: 0 to {WEIGHT_MAX}")
        if weights and not any(weights):
            return Refusal("ValidationError", "all weights are 0: nobody would answer")
        body = action.get("FixedResponseConfig", {}).get("MessageBody", "")
        if len(body) > MESSAGE_MAX:
            return Refusal("ValidationError", f"fixed response of {len(body)} > {MESSAGE_MAX}")
    return None


def listener(params: Params, look: Look) -> Refusal | None:  # noqa: ARG001
    """TLS needs a certificate; plain HTTP takes neither certificate nor policy."""
    secure = params.get("Protocol") in {"HTTPS", "TLS"}
    if secure and not params.get("Certificates"):
        return Refusal("CertificateNotFound", "a certificate is needed for an HTTPS listener")
    if not secure and (params.get("Certificates") or params.get("SslPolicy")):
        return Refusal("ValidationError", "certificates and TLS policies are for HTTPS only")
    return None


def rule(params: Params, look: Look) -> Refusal | None:  # noqa: ARG001
    """Priorities, and how much a rule may ask."""
    priority = params.get("Priority", 1)
    if not 1 <= priority <= PRIORITY_MAX:
        return Refusal("ValidationError", f"priority {priority}: 1 to {PRIORITY_MAX}")
    values = sum(
        len(value["Values"])
        for condition in params.get("Conditions", ())
        for value in condition.values()
        if isinstance(value, dict) and "Values" in value
    )
    if values > 5:
        return Refusal("TooManyConditionValues", f"{values} condition values, 5 are allowed")
    return None


def _actions(params: Params) -> Iterable[Params]:
    return [*params.get("Actions", ()), *params.get("DefaultActions", ())]


RULES: dict[tuple[str, str], tuple[Rule, ...]] = {
    ("elbv2", "CreateLoadBalancer"): (name, zones),
    ("elbv2", "CreateTargetGroup"): (name, health_check),
    ("elbv2", "ModifyTargetGroup"): (health_check,),
    ("elbv2", "ModifyLoadBalancerAttributes"): (attributes,),
    ("elbv2", "ModifyTargetGroupAttributes"): (attributes,),
    ("elbv2", "CreateListener"): (listener, actions),
    ("elbv2", "ModifyListener"): (actions,),
    ("elbv2", "CreateRule"): (rule, actions),
    ("elbv2", "ModifyRule"): (rule, actions),
}
