"""The switch, the probe's way around it, and the timeout chain."""

from __future__ import annotations

import pytest

from provision.config.timeouts import chain
from tests.infra.scenes import ALL, Scene, scene


@pytest.fixture(params=ALL)
def made(request: pytest.FixtureRequest) -> Scene:
    """Each environment in turn."""
    return scene(request.param)


def test_traffic_starts_at_the_primary(made: Scene) -> None:
    """Weights 100 and 0, without stickiness, in the load balancer itself."""
    (action,) = made.live.traffic_rule["Actions"]
    weights = {g["TargetGroupArn"]: g["Weight"] for g in action["ForwardConfig"]["TargetGroups"]}
    outputs = made.provisioned.outputs
    assert weights == {
        outputs.primary_target_group_arn: 100,
        outputs.fallback_target_group_arn: 0,
    }
    assert not any(g.inputs["stickiness"]["enabled"] for g in made.of(":TargetGroup"))


def test_pulumi_leaves_the_switch_alone(made: Scene) -> None:
    """An `up` in the middle of an outage does not set the weights back, nor the hints."""
    rule = made.one(":ListenerRule", "load-balancer-traffic")
    assert {"actions", "tags"} <= set(rule.ignore_changes)
    assert made.one(":ListenerRule", "load-balancer-probe").ignore_changes == ()


def test_the_probe_reaches_the_primary_at_any_weights(made: Scene) -> None:
    """Its rule comes first and knows only the primary."""
    probe = made.one(":ListenerRule", "load-balancer-probe").inputs
    traffic = made.one(":ListenerRule", "load-balancer-traffic").inputs
    assert probe["priority"] < traffic["priority"]
    (action,) = probe["actions"]
    assert action["targetGroupArn"] == made.provisioned.outputs.primary_target_group_arn
    header = probe["conditions"][0]["httpHeader"]
    assert header == {"httpHeaderName": "x-llm-probe", "values": ["1"]}


def test_only_model_paths_go_anywhere(made: Scene) -> None:
    """Both rules want /v1/*; all else is a 404 of the load balancer."""
    for rule in made.of(":ListenerRule"):
        assert {"pathPattern": {"values": ["/v1/*"]}} in rule.inputs["conditions"]
    (action,) = made.one(":Listener", "load-balancer-listener").inputs["defaultActions"]
    assert action["fixedResponse"]["statusCode"] == "404"


def test_health_is_the_agents_word(made: Scene) -> None:
    """The primary is checked at the agent, every 5 s, two of a kind."""
    check = made.one(":TargetGroup", "load-balancer-primary").inputs["healthCheck"]
    assert (check["port"], check["path"], check["interval"]) == ("8081", "/healthz/deep", 5)
    assert (check["healthyThreshold"], check["unhealthyThreshold"]) == (2, 2)
    assert check["timeout"] < check["interval"]


def test_timeouts_are_those_of_the_chain(made: Scene) -> None:
    """Idle timeout and drain follow from the longest generation."""
    expected = chain(made.environment.engine)
    attributes = made.live.balancer_attributes
    assert attributes["idle_timeout.timeout_seconds"] == str(expected.load_balancer_idle_s)
    assert attributes["routing.http.drop_invalid_header_fields.enabled"] == "true"
    for group in made.of(":TargetGroup"):
        assert group.inputs["deregistrationDelay"] == expected.deregistration_delay_s


def test_it_stands_in_two_zones(made: Scene) -> None:
    """Also where the hosts stand in one."""
    assert len(set(made.one(":LoadBalancer").inputs["subnets"])) >= 2
