"""`fab cost.reserve` and `fab cost.coverage` as typed, against the rehearsal's AWS over HTTP."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from invoke.program import Program

from playbooks import cost
from playbooks.session import Session
from provision.config.environment import AwsSettings, Environment, FleetSettings
from provision.testing import samples
from rehearsal import moto_server
from rehearsal.alb_health import Board

Fab = Callable[..., Any]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A rehearsal's API on loopback; moto is as it was afterwards."""
    with socket.socket() as probe, pytest.MonkeyPatch.context() as patch:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        patch.setattr(moto_server, "_replace", partial(patch.setattr, raising=False))
        server = moto_server.serve("127.0.0.1", port, Board(), lambda *_: None)
        yield f"http://127.0.0.1:{port}"
        server.stop()


@pytest.fixture
def environment(url: str) -> Environment:
    """Whose hosts are looked at."""
    return samples.environment(aws=AwsSettings(endpoint_url=url))


@pytest.fixture
def fab(
    environment: Environment,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Fab:
    """Types a command with ``--json``; exit code and document."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str, on: Environment = environment) -> tuple[int, Any]:
        monkeypatch.setattr(Session, "open", lambda _env: Session(on, chosen="a test's"))
        code = 0
        try:
            Program(namespace=cost.ns).run(["fab", *words, "--json"])
        except SystemExit as ended:
            code = int(ended.code or 0)
        out, err = capsys.readouterr()
        return code, json.loads(out) if out else err

    return run


def test_a_reservation_from_the_look_to_the_coverage(
    fab: Fab, environment: Environment, url: str
) -> None:
    """Looked at, bought within its limit, not bought twice, and seen to cover the hosts."""
    _, looked = fab("reserve", "--term", "1", "--payment", "all-upfront")
    (offer,) = looked["offers"]
    assert (offer["model"], offer["cash_now_usd"]) == ("reserved-1y-all-upfront", "10364.00")

    buy = ["reserve", "--confirm", offer["id"], "--limit-price"]
    code, refused = fab(*buy, "10363.99")
    assert (code, "above the limit price" in refused) == (3, True)
    code, bought = fab(*buy, "10364")
    assert (code, bought["bought_now"]) == (0, True)
    code, again = fab(*buy, "10364")
    assert (code, again["reservation"], again["bought_now"]) == (0, bought["reservation"], False)

    tags = [{"Key": "llm-fleet:environment", "Value": environment.name}]
    client(url, "ec2").run_instances(
        ImageId="ami-0123456789abcdef0",
        InstanceType="g5.xlarge",
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
    )
    _, covered = fab("coverage")
    (host,) = covered["hosts"]
    (held,) = [each for each in covered["reserved"] if each["id"] == bought["reservation"]]
    assert (host["covered_by"], host["uncovered_usd_per_month"]) == (
        [bought["reservation"]],
        "0.00",
    )
    assert (held["used_share"], held["unused"]) == (0.5, True)


def test_a_week_of_a_p4d(fab: Fab, environment: Environment) -> None:
    """A block sells once: the same command tells what it got."""
    p4d = replace(environment, fleet=FleetSettings(instance_type="p4d.24xlarge", hosts=1))
    look = ["reserve", "--capacity", "--start", "2031-01-05"]
    _, looked = fab(*look, on=p4d)
    block, *zones = looked["offers"]
    assert (block["kind"], block["commitment_usd"]) == ("capacity-block", "1989.12")
    assert block["starts"] == "2031-01-05T11:30:00+00:00"
    assert {each["kind"] for each in zones} == {"capacity-reservation"}

    buy = [*look, "--confirm", block["id"], "--limit-price", "1989.12"]
    code, bought = fab(*buy, on=p4d)
    assert (code, bought["bought_now"]) == (0, True)
    code, again = fab(*buy, on=p4d)
    assert (code, again["reservation"], again["bought_now"]) == (0, bought["reservation"], False)

    _, covered = fab("coverage", on=p4d)
    (held,) = [each for each in covered["capacity"] if each["id"] == bought["reservation"]]
    assert (held["capacity_block"], held["state"], held["expiring"]) == (True, "scheduled", False)


def test_capacity_until_cancelled(fab: Fab, environment: Environment) -> None:
    """Bought by its zone; nobody runs in it yet, so it costs for nothing."""
    p4d = replace(environment, fleet=FleetSettings(instance_type="p4d.24xlarge", hosts=1))
    buy = ["reserve", "--capacity", "--confirm", "on-demand-us-east-1b", "--limit-price", "20000"]
    code, bought = fab(*buy, on=p4d)
    assert (code, bought["offer"]["commitment_usd"]) == (0, None)
    _, covered = fab("coverage", on=p4d)
    (held,) = [each for each in covered["capacity"] if each["id"] == bought["reservation"]]
    assert held["unused_usd_per_month"] == "16029.08"


def test_what_the_seller_refuses(url: str) -> None:
    """An offering that is gone, a price above the limit: as AWS does, without a sale."""
    ec2 = client(url, "ec2")
    offers = ec2.describe_reserved_instances_offerings(InstanceType="g5.xlarge")
    dear = max(offers["ReservedInstancesOfferings"], key=lambda offer: offer["FixedPrice"])
    before = len(ec2.describe_reserved_instances()["ReservedInstances"])
    for offering, limit in (("gone", 1e9), (dear["ReservedInstancesOfferingId"], 1.0)):
        with pytest.raises(ec2.exceptions.ClientError, match="Invalid"):
            ec2.purchase_reserved_instances_offering(
                ReservedInstancesOfferingId=offering,
                InstanceCount=1,
                LimitPrice={"Amount": limit, "CurrencyCode": "USD"},
            )
    with pytest.raises(ec2.exceptions.ClientError, match="NotFound"):
        ec2.purchase_capacity_block(CapacityBlockOfferingId="cb-0", InstancePlatform="Linux/UNIX")
    assert len(ec2.describe_reserved_instances()["ReservedInstances"]) == before


def client(url: str, service: str) -> Any:
    return boto3.client(  # type: ignore[call-overload]
        service,
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="rehearsal",
        aws_secret_access_key="rehearsal",
    )
