"""Rules of parameters, buckets, policies and snapshot schedules."""

from __future__ import annotations

import json
import re

from rehearsal.strict.refusal import Look, Params, Refusal, Rule

STANDARD_PARAMETER_MAX, ADVANCED_PARAMETER_MAX = 4_096, 8_192
PARAMETER_LEVELS_MAX = 15
ROLE_POLICY_MAX = 10_240  # all inline policies of a role, spaces not counted
TRUST_POLICY_MAX = 2_048
SNAPSHOT_INTERVALS_HOURS = (1, 2, 3, 4, 6, 8, 12, 24)
SNAPSHOTS_MAX = 1_000
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_IP_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
_SPACES = re.compile(r"\s")


def parameter(params: Params, look: Look) -> Refusal | None:  # noqa: ARG001  # it is a Rule
    """Size by tier; names are paths that AWS has not reserved."""
    size = len(params["Value"].encode())
    advanced = params.get("Tier", "Standard") != "Standard"
    limit = ADVANCED_PARAMETER_MAX if advanced else STANDARD_PARAMETER_MAX
    if size > limit:
        return Refusal("ValidationException", f"{size} bytes; the tier allows {limit}")
    name = params["Name"]
    first = name.strip("/").split("/")[0].lower()
    if first.startswith(("aws", "ssm")):
        return Refusal("ValidationException", f"{name}: names that begin with aws, ssm are AWS's")
    if name.count("/") > PARAMETER_LEVELS_MAX or ("/" in name and not name.startswith("/")):
        return Refusal("ValidationException", f"{name}: a path of at most 15 levels, from /")
    return None


def bucket(params: Params, look: Look) -> Refusal | None:  # noqa: ARG001
    """Names that are also host names."""
    name = params["Bucket"]
    if not _BUCKET.fullmatch(name) or ".." in name or _IP_ADDRESS.fullmatch(name):
        return Refusal("InvalidBucketName", f"{name!r}: 3 to 63 of a-z, 0-9, - and .")
    return None


def role_policy(params: Params, look: Look) -> Refusal | None:  # noqa: ARG001
    """Inline policies are valid JSON with known parts, within the role's room."""
    return _document(params["PolicyDocument"], ROLE_POLICY_MAX, resource=True)


def trust_policy(params: Params, look: Look) -> Refusal | None:  # noqa: ARG001
    """Trust policies name who, and no resource."""
    return _document(params["AssumeRolePolicyDocument"], TRUST_POLICY_MAX, resource=False)


def snapshots(params: Params, look: Look) -> Refusal | None:  # noqa: ARG001
    """Schedules run at certain intervals and keep a bounded number."""
    for schedule in params.get("PolicyDetails", {}).get("Schedules", ()):
        hours = schedule.get("CreateRule", {}).get("Interval")
        if hours is not None and hours not in SNAPSHOT_INTERVALS_HOURS:
            return Refusal(
                "InvalidRequestException", f"every {hours} h: one of {SNAPSHOT_INTERVALS_HOURS}"
            )
        kept = schedule.get("RetainRule", {}).get("Count", 1)
        if not 1 <= kept <= SNAPSHOTS_MAX:
            return Refusal("InvalidRequestException", f"{kept} snapshots: 1 to {SNAPSHOTS_MAX}")
    return None


def _document(text: str, limit: int, *, resource: bool) -> Refusal | None:
    size = len(_SPACES.sub("", text))
    if size > limit:
        return Refusal("LimitExceeded", f"a policy of {size} characters; {limit} are allowed")
    try:
        statements = json.loads(text)["Statement"]
    except (ValueError, KeyError, TypeError):
        return Refusal("MalformedPolicyDocument", "no JSON with a Statement")
    sids = [statement["Sid"] for statement in statements if "Sid" in statement]
    if len(sids) != len(set(sids)):
        return Refusal("MalformedPolicyDocument", "statement ids are not unique")
    if any(not sid.isalnum() for sid in sids):
        return Refusal("MalformedPolicyDocument", "statement ids are letters and digits")
    if any(("Resource" in statement) != resource for statement in statements):
        return Refusal(
            "MalformedPolicyDocument",
            "a statement needs a resource" if resource else "a trust policy has no resource",
        )
    return None


RULES: dict[tuple[str, str], tuple[Rule, ...]] = {
    ("ssm", "PutParameter"): (parameter,),
    ("s3", "CreateBucket"): (bucket,),
    ("iam", "PutRolePolicy"): (role_policy,),
    ("iam", "CreateRole"): (trust_policy,),
    ("dlm", "CreateLifecyclePolicy"): (snapshots,),
}
