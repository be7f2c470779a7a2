"""Budgets and whom they tell."""

from __future__ import annotations

from typing import Any

from rehearsal.aws_resources.account import Account, Made, Maker, Request


def budget(account: Account, request: Request) -> Made:
    """A monthly budget with its notifications, in the account at large."""
    inputs = request.inputs
    account.client("budgets").create_budget(
        AccountId=inputs["accountId"],
        Budget={
            **request.given(BudgetName="name", BudgetType="budgetType", TimeUnit="timeUnit"),
            "BudgetLimit": {"Amount": inputs["limitAmount"], "Unit": inputs["limitUnit"]},
            "CostFilters": {each["name"]: each["values"] for each in inputs["costFilters"]},
            "CostTypes": {
                name[:1].upper() + name[1:]: value for name, value in inputs["costTypes"].items()
            },
        },
        NotificationsWithSubscribers=[_notification(each) for each in inputs["notifications"]],
        ResourceTags=request.tag_list(),
    )
    name = inputs["name"]
    return Made(f"{account.id}:{name}", {"arn": f"arn:aws:budgets::{account.id}:budget/{name}"})


def _notification(said: dict[str, Any]) -> dict[str, Any]:
    topics = [("SNS", arn) for arn in said.get("subscriberSnsTopicArns", ())]
    mails = [("EMAIL", address) for address in said.get("subscriberEmailAddresses", ())]
    return {
        "Notification": {
            "NotificationType": said["notificationType"],
            "ComparisonOperator": said["comparisonOperator"],
            "Threshold": said["threshold"],
            "ThresholdType": said["thresholdType"],
        },
        "Subscribers": [
            {"SubscriptionType": kind, "Address": address} for kind, address in topics + mails
        ],
    }


MAKERS: dict[str, Maker] = {"aws:budgets/budget:Budget": budget}
