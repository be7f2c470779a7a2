"""Rules of functions and schedules."""

from __future__ import annotations

import re

from rehearsal.strict.refusal import Look, Params, Refusal, Rule

ENVIRONMENT_MAX = 4_096  # bytes of all variables, as JSON's names and values
TIMEOUT_MAX_S = 900
EVENT_AGE_S = (60, 21_600)
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)(s?)\)")


def function(params: Params, look: Look) -> Refusal | None:  # noqa: ARG001  # it is a Rule
    """Variables fit into 4 KiB, a call into a quarter of an hour."""
    variables = params.get("Environment", {}).get("Variables", {})
    size = sum(len(name.encode()) + len(value.encode()) for name, value in variables.items())
    if size > ENVIRONMENT_MAX:
        return Refusal(
            "InvalidParameterValueException",
            f"environment variables of {size} bytes; {ENVIRONMENT_MAX} are allowed",
        )
    if params.get("Timeout", 3) > TIMEOUT_MAX_S:
        return Refusal("ValidationException", f"a function ends after {TIMEOUT_MAX_S} s")
    return None


def role_may(params: Params, look: Look) -> Refusal | None:
    """In a VPC the role may make interfaces: Lambda asks before it makes the function."""
    if not params.get("VpcConfig", {}).get("SubnetIds"):
        return None
    name, iam = params["Role"].rsplit("/", 1)[-1], look("iam")
    texts = [
        iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
    ]
    if any("ec2:CreateNetworkInterface" in str(text) for text in texts):
        return None
    return Refusal(
        "InvalidParameterValueException",
        "the execution role does not have permissions to call CreateNetworkInterface on EC2",
    )


def event_age(params: Params, look: Look) -> Refusal | None:  # noqa: ARG001
    """How long a call may wait."""
    low, high = EVENT_AGE_S
    if low <= params.get("MaximumEventAgeInSeconds", low) <= high:
        return None
    return Refusal("InvalidParameterValueException", f"a call waits {low} to {high} s")


def schedule(params: Params, look: Look) -> Refusal | None:  # noqa: ARG001
    """``rate(1 minute)``, ``rate(5 minutes)``: one of something is singular."""
    said = params.get("ScheduleExpression", "")
    if not said.startswith("rate("):
        return None
    match = _RATE.fullmatch(said)
    if match and int(match[1]) > 0 and (int(match[1]) == 1) == (match[3] == ""):
        return None
    return Refusal("ValidationException", "Parameter ScheduleExpression is not valid.")


RULES: dict[tuple[str, str], tuple[Rule, ...]] = {
    ("lambda", "CreateFunction"): (function, role_may),
    ("lambda", "UpdateFunctionConfiguration"): (function,),
    ("lambda", "PutFunctionEventInvokeConfig"): (event_age,),
    ("events", "PutRule"): (schedule,),
}
