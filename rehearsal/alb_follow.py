"""Reads from moto what the load balancer is to do, about twice a second."""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections.abc import Callable
from typing import Any

from rehearsal.alb import LoadBalancer
from rehearsal.alb_rules import Group, Picture, Rule, Target, parse_group, parse_rules
from rehearsal.ec2 import client
from rehearsal.settings import Settings

POLL_S = 0.5
SLOW_EVERY = 4  # listeners, groups and attributes change seldom


class AlbFollower:
    """Shows the load balancer a new picture whenever moto's changes."""

    def __init__(
        self,
        settings: Settings,
        balancer: LoadBalancer,
        loop: asyncio.AbstractEventLoop,
        address_of: Callable[[str], str | None],
        say: Callable[[str], None],
    ) -> None:
        self._elb = client("elbv2", settings)
        self._balancer = balancer
        self._loop = loop
        self._address_of = address_of
        self._say = say
        self._listeners: dict[int, str] = {}
        self._groups: list[tuple[dict[str, Any], dict[str, str]]] = []
        self._idle_timeout_s = 60.0
        self._shown: Picture | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="alb", daemon=True)

    def start(self) -> None:
        """Begin to follow, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Stop following."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        turn = 0
        while not self._stop.wait(POLL_S):
            try:
                if turn % SLOW_EVERY == 0:
                    self._read_slow()
                turn += 1
                picture = self._picture()
                if picture != self._shown:
                    asyncio.run_coroutine_threadsafe(
                        self._balancer.show(picture), self._loop
                    ).result(timeout=10)
                    self._shown = picture
            except Exception:
                turn = 0
                self._say(f"load balancer: {traceback.format_exc()}")

    def _read_slow(self) -> None:
        self._listeners.clear()
        for balancer in self._elb.describe_load_balancers()["LoadBalancers"]:
            arn = balancer["LoadBalancerArn"]
            said = self._elb.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
            values = {item["Key"]: item["Value"] for item in said}
            self._idle_timeout_s = float(values.get("idle_timeout.timeout_seconds", 60))
            for listener in self._elb.describe_listeners(LoadBalancerArn=arn)["Listeners"]:
                self._listeners[int(listener["Port"])] = listener["ListenerArn"]
        self._groups = [
            (group, self._attributes(group["TargetGroupArn"]))
            for group in self._elb.describe_target_groups()["TargetGroups"]
        ]

    def _attributes(self, arn: str) -> dict[str, str]:
        said = self._elb.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
        return {item["Key"]: item["Value"] for item in said}

    def _picture(self) -> Picture:
        rules: dict[int, tuple[Rule, ...]] = {
            port: parse_rules(self._elb.describe_rules(ListenerArn=arn)["Rules"])
            for port, arn in self._listeners.items()
        }
        groups: dict[str, Group] = {}
        for group, attributes in self._groups:
            arn = group["TargetGroupArn"]
            groups[arn] = parse_group(group, attributes, self._targets(arn))
        return Picture(rules, groups, self._idle_timeout_s)

    def _targets(self, arn: str) -> list[Target]:
        said = self._elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
        targets = []
        for item in said:
            if item["TargetHealth"]["State"] == "draining":
                continue
            name = item["Target"]["Id"]
            address = self._address_of(name) if name.startswith("i-") else name
            if address:
                targets.append(Target(name, int(item["Target"]["Port"]), address))
        return targets
