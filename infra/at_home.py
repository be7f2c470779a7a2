"""Where the traffic is, asked before anything is declared: while the fleet does not have all of it,
nobody changes what answers."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pulumi import InvokeOptions
from pulumi_aws.lb.get_listener_rule import get_listener_rule
from pulumi_aws.provider import Provider
from pulumi_aws.ssm.get_parameters_by_path import get_parameters_by_path

from infra.names import outputs_parameter
from provision.config.environment import Environment
from provision.errors import Refused

DURING = "LLM_FLEET_DURING_FALLBACK"  # set to 1: a person knows where the traffic is
_HINT = f"`fab fallback.status` says why; {DURING}=1 goes on all the same"


def require_at_home(environment: Environment, provider: Provider) -> None:
    """Raise Refused (exit 3) when the fleet does not have all traffic, or nobody can say.

    Asked of the rule itself, which is the truth; the last `up` published its name. Where none has,
    nothing can be away. An environment whose file has no fallback any more is asked too: its next
    `up` would take down what answers.
    """
    options = InvokeOptions(provider=provider)
    found = get_parameters_by_path(path=environment.parameter_root, opts=options)
    known = dict(zip(found.names, found.values, strict=True))
    text = known.get(outputs_parameter(environment))
    if text is None:
        return
    try:
        published = json.loads(text)
        weights = _weights(published["traffic_rule_arn"], options)
        primary = weights[published["primary_target_group_arn"]]
    except Exception as error:  # whatever the provider raises for a rule that is gone
        message = f"nobody can say where the traffic of {environment.name} is: {error}"
        raise Refused(message, hint=_HINT) from error
    away = sum(weights.values()) - primary
    if away or not primary:
        message = f"the fleet of {environment.name} has only {primary} % of its traffic"
        raise Refused(f"{message}: what answers now would be changed under it", hint=_HINT)


def _weights(rule_arn: str, options: InvokeOptions) -> Mapping[str, int]:
    rule = get_listener_rule(arn=rule_arn, opts=options)
    return {
        group.arn: group.weight
        for action in rule.actions or ()
        for forward in action.forwards or ()
        for group in forward.target_groups or ()
    }
