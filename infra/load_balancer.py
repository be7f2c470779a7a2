"""The load balancer: who answers /v1/*, and by which weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws.lb as lb
from pulumi import Output, ResourceOptions

from infra.firewall import AGENT_PORT, FRONT_PORT
from infra.names import FALLBACK, PRIMARY, target_group_name
from provision.config.environment import Environment, Scheme
from provision.config.timeouts import TimeoutChain, chain

PROBE_HEADER = "x-llm-probe"
MODEL_PATHS = "/v1/*"
PROBE_FALLBACK = "fallback"  # the header's value that leads to the gateway
PROBE_PRIORITY = 5
PROBE_FALLBACK_PRIORITY = 6
TRAFFIC_PRIORITY = 10
TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"
NOT_FOUND = {"error": {"message": "not found", "type": "invalid_request_error", "code": 404}}


@dataclass(frozen=True)
class LoadBalancerArgs:
    """Where it stands."""

    environment: Environment
    vpc_id: Output[str]
    subnet_ids: Sequence[Output[str]]
    security_group_id: Output[str]


class LoadBalancer(pulumi.ComponentResource):
    """An ALB whose traffic rule is the switch: primary 100, fallback 0.

    The weights are moved at run time, so Pulumi sets them once and never again.
    """

    arn: Output[str]
    arn_suffix: Output[str]
    endpoint: Output[str]
    listener: lb.Listener
    primary: lb.TargetGroup
    fallback: lb.TargetGroup
    traffic_rule: lb.ListenerRule
    probe_rule: lb.ListenerRule

    def __init__(
        self, name: str, args: LoadBalancerArgs, opts: ResourceOptions | None = None
    ) -> None:
        super().__init__("llm-fleet:infra:LoadBalancer", name, None, opts)
        self._name, self._args = name, args
        self._chain: TimeoutChain = chain(args.environment.engine)
        self._children = ResourceOptions(parent=self)
        balancer = self._balancer()
        self.primary = self._target_group(PRIMARY, "instance", _AGENT_CHECK)
        self.fallback = self._target_group(FALLBACK, "ip", _GATEWAY_CHECK)
        self.listener = self._listener(balancer)
        self.probe_rule = self._probe("probe", "1", PROBE_PRIORITY, self.primary)
        if args.environment.fallback.exists:
            self._probe("probe-fallback", PROBE_FALLBACK, PROBE_FALLBACK_PRIORITY, self.fallback)
        self.traffic_rule = self._switch()
        self.arn, self.arn_suffix = balancer.arn, balancer.arn_suffix
        self.endpoint = self._endpoint(balancer)
        self.register_outputs({"endpoint": self.endpoint})

    @property
    def _certificate(self) -> str | None:
        return self._args.environment.load_balancer.certificate_arn

    def _endpoint(self, balancer: lb.LoadBalancer) -> Output[str]:
        """With TLS it is the certificate's name; its DNS record is the owner's to make."""
        if self._certificate:
            name = self._args.environment.load_balancer.domain_name
            return Output.from_input(f"https://{name}")
        return Output.concat("http://", balancer.dns_name)

    def _balancer(self) -> lb.LoadBalancer:
        environment = self._args.environment
        settings = environment.load_balancer
        return lb.LoadBalancer(
            f"{self._name}-alb",
            name=environment.prefix,
            load_balancer_type="application",
            internal=settings.scheme is Scheme.INTERNAL,
            subnets=self._args.subnet_ids,
            security_groups=[self._args.security_group_id],
            idle_timeout=self._chain.load_balancer_idle_s,
            drop_invalid_header_fields=True,
            enable_deletion_protection=settings.deletion_protection,
            tags={"Name": environment.prefix},
            opts=self._children,
        )

    def _target_group(
        self, side: str, target_type: str, check: lb.TargetGroupHealthCheckArgs
    ) -> lb.TargetGroup:
        name = target_group_name(self._args.environment, side)
        return lb.TargetGroup(
            f"{self._name}-{side}",
            name=name,
            target_type=target_type,
            protocol="HTTP",
            port=FRONT_PORT,
            vpc_id=self._args.vpc_id,
            health_check=check,
            deregistration_delay=self._chain.deregistration_delay_s,
            # Answers differ in length by a hundred times: count those in flight, don't take turns.
            load_balancing_algorithm_type="least_outstanding_requests",
            # A sticky client would stay with a dead group, whatever the weights say.
            stickiness=lb.TargetGroupStickinessArgs(type="lb_cookie", enabled=False),
            tags={"Name": name},
            opts=self._children,
        )

    def _listener(self, balancer: lb.LoadBalancer) -> lb.Listener:
        if self._certificate:
            self._redirect(balancer)
        return lb.Listener(
            f"{self._name}-listener",
            load_balancer_arn=balancer.arn,
            port=443 if self._certificate else 80,
            protocol="HTTPS" if self._certificate else "HTTP",
            certificate_arn=self._certificate,
            ssl_policy=TLS_POLICY if self._certificate else None,
            default_actions=[
                lb.ListenerDefaultActionArgs(
                    type="fixed-response",
                    fixed_response=lb.ListenerDefaultActionFixedResponseArgs(
                        content_type="application/json",
                        message_body=json.dumps(NOT_FOUND),
                        status_code="404",
                    ),
                )
            ],
            tags={"Name": self._args.environment.prefix},
            opts=self._children,
        )

    def _redirect(self, balancer: lb.LoadBalancer) -> None:
        lb.Listener(
            f"{self._name}-redirect",
            load_balancer_arn=balancer.arn,
            port=80,
            protocol="HTTP",
            default_actions=[
                lb.ListenerDefaultActionArgs(
                    type="redirect",
                    redirect=lb.ListenerDefaultActionRedirectArgs(
                        port="443", protocol="HTTPS", status_code="HTTP_301"
                    ),
                )
            ],
            tags={"Name": f"{self._args.environment.prefix}-redirect"},
            opts=self._children,
        )

    def _probe(self, name: str, value: str, priority: int, to: lb.TargetGroup) -> lb.ListenerRule:
        """The way to one side at any weights. It routes; keys are still checked behind it."""
        header = lb.ListenerRuleConditionHttpHeaderArgs(
            http_header_name=PROBE_HEADER, values=[value]
        )
        return lb.ListenerRule(
            f"{self._name}-{name}",
            listener_arn=self.listener.arn,
            priority=priority,
            conditions=[
                lb.ListenerRuleConditionArgs(http_header=header),
                lb.ListenerRuleConditionArgs(path_pattern=_model_paths()),
            ],
            actions=[lb.ListenerRuleActionArgs(type="forward", target_group_arn=to.arn)],
            tags={"Name": name},
            opts=self._children,
        )

    def _switch(self) -> lb.ListenerRule:
        weights = ((self.primary, 100), (self.fallback, 0))
        forward = lb.ListenerRuleActionForwardArgs(
            target_groups=[
                lb.ListenerRuleActionForwardTargetGroupArgs(arn=group.arn, weight=weight)
                for group, weight in weights
            ]
        )
        return lb.ListenerRule(
            f"{self._name}-traffic",
            listener_arn=self.listener.arn,
            priority=TRAFFIC_PRIORITY,
            conditions=[lb.ListenerRuleConditionArgs(path_pattern=_model_paths())],
            actions=[lb.ListenerRuleActionArgs(type="forward", forward=forward)],
            tags={"Name": "traffic"},
            # As a whole: ignoring single weights would set live ones back in an outage. What the
            # provider makes of tags is in `tagsAll`, which Python has no other name for.
            opts=ResourceOptions(parent=self, ignore_changes=["actions", "tags", "tagsAll"]),
        )


def _model_paths() -> lb.ListenerRuleConditionPathPatternArgs:
    return lb.ListenerRuleConditionPathPatternArgs(values=[MODEL_PATHS])


# The agent asks the engine for a real token; the engine's own health says "fine" while it hangs.
_AGENT_CHECK = lb.TargetGroupHealthCheckArgs(
    enabled=True,
    protocol="HTTP",
    port=str(AGENT_PORT),
    path="/healthz/deep",
    matcher="200",
    interval=5,
    timeout=4,
    healthy_threshold=2,
    unhealthy_threshold=2,
)
# Not the gateway's /health: that one makes paid calls.
_GATEWAY_CHECK = lb.TargetGroupHealthCheckArgs(
    enabled=True,
    protocol="HTTP",
    port="traffic-port",
    path="/health/readiness",
    matcher="200",
    interval=5,
    timeout=4,
    healthy_threshold=2,
    unhealthy_threshold=2,
)
