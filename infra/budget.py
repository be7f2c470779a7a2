"""The budget that AWS itself watches: it counts what was spent, the preview what will be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import pulumi
import pulumi_aws.budgets as budgets
import pulumi_aws.sns as sns
from pulumi import Output, ResourceOptions

from infra.names import ENVIRONMENT_TAG
from infra.policies import topic_policy
from provision.config.environment import Environment
from provision.planning.cost.money import cents

# Forecasts begin when AWS has seen five weeks of an account. One of 80 % would only say that the
# budget will be used as planned.
ALARMS = (("ACTUAL", 80), ("ACTUAL", 100), ("FORECASTED", 100))


@dataclass(frozen=True)
class BudgetArgs:
    """Whose budget, and which topic it tells. ``budget.max_monthly_usd`` must be set."""

    environment: Environment
    account_id: Output[str]
    topic_arn: Output[str]


class Budget(pulumi.ComponentResource):
    """What carries the environment's tag, month by month, against ``budget.max_monthly_usd``.

    It sees nothing until the tag is activated as a cost allocation tag, once in an account
    (docs/reservations.md).
    """

    def __init__(self, name: str, args: BudgetArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("llm-fleet:infra:Budget", name, None, opts)
        policy = self._topic_policy(name, args)
        environment = args.environment
        budgets.Budget(
            f"{name}-month",
            name=environment.prefix,
            account_id=args.account_id,
            budget_type="COST",
            time_unit="MONTHLY",
            limit_amount=str(cents(Decimal(str(environment.budget.max_monthly_usd)))),
            limit_unit="USD",
            cost_filters=[
                budgets.BudgetCostFilterArgs(
                    name="TagKeyValue", values=[f"user:{ENVIRONMENT_TAG}${environment.name}"]
                )
            ],
            cost_types=budgets.BudgetCostTypesArgs(
                use_amortized=True,  # a reservation counts where it is used, month by month
                include_credit=False,  # credits end
                include_refund=False,
            ),
            notifications=list(_notifications(args)),
            tags={"Name": environment.prefix},
            opts=ResourceOptions(parent=self, depends_on=[policy]),
        )
        self.register_outputs({})

    def _topic_policy(self, name: str, args: BudgetArgs) -> sns.TopicPolicy:
        prefix, region = args.environment.prefix, args.environment.region
        text = Output.all(args.topic_arn, args.account_id).apply(
            lambda known: json.dumps(
                topic_policy(known[0], account_id=known[1], region=region, prefix=prefix)
            )
        )
        return sns.TopicPolicy(
            f"{name}-publishers",
            arn=args.topic_arn,
            policy=text,
            opts=ResourceOptions(parent=self),
        )


def _notifications(args: BudgetArgs) -> Iterator[budgets.BudgetNotificationArgs]:
    """By mail too where an address is set: a topic's mails begin when someone has confirmed."""
    email = args.environment.observability.alarm_email
    for kind, percent in ALARMS:
        yield budgets.BudgetNotificationArgs(
            notification_type=kind,
            comparison_operator="GREATER_THAN",
            threshold=percent,
            threshold_type="PERCENTAGE",
            subscriber_sns_topic_arns=[args.topic_arn],
            subscriber_email_addresses=[email] if email else None,
        )
