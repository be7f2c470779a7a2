"""Rules of budgets, and of the topics that they tell."""

from __future__ import annotations

import json
import re
from typing import Any

from rehearsal.strict.refusal import Look, Params, Refusal, Rule

TOPICS_MAX, MAILS_MAX = 1, 10  # of one notification
_AMOUNT = re.compile(r"\d+(\.\d+)?")
_TAG = re.compile(r"(user|aws):[^$]+\$.*")
_SERVICE = "budgets.amazonaws.com"


def limit(params: Params, look: Look) -> Refusal | None:  # noqa: ARG001  # it is a Rule
    """An amount above nothing, and costs counted in one way."""
    amount = params["Budget"].get("BudgetLimit", {}).get("Amount", "")
    if not _AMOUNT.fullmatch(amount) or float(amount) <= 0:
        return Refusal("InvalidParameterException", f"the limit {amount!r} is no amount")
    types = params["Budget"].get("CostTypes", {})
    if types.get("UseAmortized") and types.get("UseBlended"):
        return Refusal("InvalidParameterException", "costs are amortised or blended, not both")
    for said in params["Budget"].get("CostFilters", {}).get("TagKeyValue", ()):
        if not _TAG.fullmatch(said):
            return Refusal("InvalidParameterException", f"{said!r}: write user:key$value")
    return None


def notifications(params: Params, look: Look) -> Refusal | None:  # noqa: ARG001
    """No two alike, each to one topic and some addresses."""
    found = params.get("NotificationsWithSubscribers", ())
    alike = [json.dumps(each["Notification"], sort_keys=True) for each in found]
    if len(set(alike)) < len(alike):
        return Refusal("DuplicateRecordException", "two notifications are the same")
    for each in found:
        kinds = [subscriber["SubscriptionType"] for subscriber in each["Subscribers"]]
        if kinds.count("SNS") > TOPICS_MAX or kinds.count("EMAIL") > MAILS_MAX:
            return Refusal(
                "InvalidParameterException",
                f"a notification tells {TOPICS_MAX} topic and {MAILS_MAX} addresses at most",
            )
    return None


def topic_takes_it(params: Params, look: Look) -> Refusal | None:
    """The topic and the key under it let AWS Budgets publish: else nobody would ever hear."""
    for each in params.get("NotificationsWithSubscribers", ()):
        for subscriber in each["Subscribers"]:
            if subscriber["SubscriptionType"] == "SNS":
                why = _deaf(subscriber["Address"], look)
                if why:
                    return Refusal("InvalidParameterException", why)
    return None


def _deaf(topic: str, look: Look) -> str:
    attributes = look("sns").get_topic_attributes(TopicArn=topic)["Attributes"]
    if not _allows(attributes.get("Policy", "{}"), {"sns:Publish"}):
        return f"{topic} does not let {_SERVICE} publish"
    key = attributes.get("KmsMasterKeyId")
    if not key:
        return ""
    policy = look("kms").get_key_policy(KeyId=key, PolicyName="default")["Policy"]
    if not _allows(policy, {"kms:Decrypt", "kms:GenerateDataKey*"}):
        return f"the key of {topic} does not let {_SERVICE} use it"
    return ""


def _allows(policy: str, needed: set[str]) -> bool:
    statements: list[dict[str, Any]] = json.loads(policy).get("Statement", [])
    allowed: set[str] = set()
    for statement in statements:
        principal = statement.get("Principal")
        if isinstance(principal, dict) and principal.get("Service") == _SERVICE:
            actions = statement["Action"]
            allowed |= {actions} if isinstance(actions, str) else set(actions)
    return needed <= allowed


RULES: dict[tuple[str, str], tuple[Rule, ...]] = {
    ("budgets", "CreateBudget"): (limit, notifications, topic_takes_it),
}
