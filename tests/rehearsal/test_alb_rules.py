"""ELBv2's answers become rules and groups, and rules choose as documented."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rehearsal.alb_health import HEALTHY, INITIAL, Health, Judge
from rehearsal.alb_rules import (
    DEFAULT_PRIORITY,
    Check,
    Fixed,
    Forward,
    Group,
    Rule,
    Target,
    parse_group,
    parse_rules,
)
from rehearsal.http1 import Head

FAILED = Health("unhealthy", "Target.FailedHealthChecks")


def request(path: str = "/", method: str = "GET", **headers: str) -> Head:
    pairs = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Head((method, path, "HTTP/1.1"), pairs)


class TestParse:
    def test_rules_come_in_the_order_of_their_priority(self) -> None:
        """Numbers by size, the default last; both spellings of a condition's values."""
        said = [
            {
                "Priority": "default",
                "Actions": [
                    {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}
                ],
            },
            {
                "Priority": "20",
                "Conditions": [{"Field": "path-pattern", "Values": ["/v1/*"]}],
                "Actions": [
                    {
                        "Type": "forward",
                        "ForwardConfig": {
                            "TargetGroups": [
                                {"TargetGroupArn": "p", "Weight": 100},
                                {"TargetGroupArn": "f", "Weight": 0},
                            ]
                        },
                    }
                ],
            },
            {
                "Priority": "3",
                "Conditions": [
                    {
                        "Field": "http-header",
                        "HttpHeaderConfig": {"HttpHeaderName": "x-probe", "Values": ["1"]},
                    }
                ],
                "Actions": [{"Type": "forward", "TargetGroupArn": "p"}],
            },
        ]

        assert parse_rules(said) == (
            Rule(3, (("http-header", "x-probe", ("1",)),), Forward((("p", 1),))),
            Rule(20, (("path-pattern", "", ("/v1/*",)),), Forward((("p", 100), ("f", 0)))),
            Rule(DEFAULT_PRIORITY, (), Fixed(404)),
        )

    def test_a_group_has_its_check_and_its_delay(self) -> None:
        """Every field of the health check, and the attribute that limits draining."""
        said = {
            "TargetGroupArn": "p",
            "HealthCheckPath": "/healthz/deep",
            "HealthCheckPort": "8081",
            "HealthCheckIntervalSeconds": 5,
            "HealthCheckTimeoutSeconds": 4,
            "HealthyThresholdCount": 3,
            "UnhealthyThresholdCount": 2,
            "Matcher": {"HttpCode": "200-299"},
        }
        target = Target("i-1", 8000, "10.0.0.4")

        parsed = parse_group(said, {"deregistration_delay.timeout_seconds": "150"}, [target])

        assert parsed == Group(
            "p", Check("/healthz/deep", 8081, 5.0, 4.0, 3, 2, "200-299"), (target,), 150.0
        )

    def test_an_action_that_is_not_there_is_refused(self) -> None:
        """A rehearsal never passes on something that the load balancer ignores."""
        with pytest.raises(ValueError, match="no redirect action"):
            parse_rules([{"Priority": "1", "Actions": [{"Type": "redirect"}]}])


class TestConditions:
    @pytest.mark.parametrize(
        ("condition", "head", "expected"),
        [
            (("path-pattern", "", ("/v1/*",)), request("/v1/models?x=1"), True),
            (("path-pattern", "", ("/v1/*",)), request("/V1/models"), False),
            (("path-pattern", "", ("/a[1]",)), request("/a[1]"), True),
            (("path-pattern", "", ("/a?c",)), request("/abc"), True),
            (("http-header", "X-Probe", ("Yes",)), request(x_probe="yes"), True),
            (("http-header", "X-Probe", ("yes",)), request(), False),
            (("host-header", "", ("*.example.com",)), request(host="A.example.com:80"), True),
            (("http-request-method", "", ("POST",)), request(method="GET"), False),
            (("query-string", "", ("tier=primary",)), request("/?tier=primary"), True),
            (("source-ip", "", ("10.0.0.0/8",)), request(), True),
        ],
    )
    def test_as_documented(
        self, condition: tuple[str, str, tuple[str, ...]], head: Head, expected: bool
    ) -> None:
        """Paths in their case, headers and hosts in any, * and ? as wild cards."""
        assert Rule(1, (condition,), Fixed(200)).matches(head, "10.1.2.3") is expected


class TestWeights:
    @given(
        weights=st.lists(st.integers(0, 999), min_size=1, max_size=5),
        point=st.floats(0, 1, exclude_max=True),
    )
    def test_a_group_of_weight_zero_is_never_chosen(self, weights: list[int], point: float) -> None:
        """And some group always is, unless all are zero."""
        forward = Forward(tuple((str(i), weight) for i, weight in enumerate(weights)))

        chosen = forward.choose(lambda: point)

        assert (chosen is None) == (sum(weights) == 0)
        assert chosen is None or weights[int(chosen)] > 0


class TestJudge:
    def test_a_new_target_is_healthy_after_one_look(self) -> None:
        """Whatever the threshold says: AWS counts it for targets that were unhealthy."""
        judge = Judge(Check(healthy=5))

        assert judge.health == INITIAL
        assert judge.take(None) == HEALTHY

    def test_thresholds_count_looks_in_a_row(self) -> None:
        """Two failures in a row to leave, three passes in a row to come back."""
        judge = Judge(Check(healthy=3, unhealthy=2))
        looks = [None, FAILED, None, FAILED, FAILED, None, None, FAILED, None, None, None]

        states = [judge.take(look).state[0] for look in looks]

        assert "".join(states) == "hhhhuuuuuuh"

    @pytest.mark.parametrize(
        ("matcher", "status", "expected"),
        [("200", 200, True), ("200,202", 202, True), ("200-299", 301, False), ("200", 503, False)],
    )
    def test_matchers(self, matcher: str, status: int, expected: bool) -> None:
        """A code, a list, a range."""
        assert Check(matcher=matcher).accepts(status) is expected
