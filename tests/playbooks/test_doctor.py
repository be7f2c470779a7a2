"""``fab doctor`` as a person types it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from provision.errors import HostUnreachable
from provision.facts.account import AccountFacts
from tests.playbooks.conftest import Fleet


def only(states: dict[str, Any], name: str) -> dict[str, str]:
    """check -> state of one host."""
    found = next(one for one in states["checked"] if one["name"] == name)
    return {check["check"]: check["state"] for check in found["checks"]}


@pytest.fixture
def well(fleet: Fleet) -> Fleet:
    """Hosts of which nothing bad is known."""
    raw = {"bus": 1, "kernel": {"modules": ["nvidia"], "log": [], "devices": []}}
    raw["kernel"]["devices"] = ["nvidia-uvm", "nvidia0", "nvidiactl"]  # type: ignore[index]
    for name, facts in fleet.facts.items():
        fleet.facts[name] = replace(facts, raw=raw)
    return fleet


def test_unknown_is_no_failure(well: Fleet) -> None:
    """Exit 0 as long as nothing failed; what nobody can say is counted."""
    said = well.run("doctor", "--env", "test")

    assert said.code == 0
    assert "none failed" in said.out
    assert "without an answer" in said.out


def test_a_fault_is_an_exit_code(well: Fleet) -> None:
    """Exit 1, with the cause and the command to run."""
    well.facts["i-2"] = replace(well.facts["i-2"], toolkit_version=None)

    said = well.run("doctor", "--env", "test")

    assert said.code == 1
    assert "could not select device driver" in said.out
    assert "run: fab setup" in said.out


def test_for_programs(well: Fleet) -> None:
    """JSON on stdout and nothing else."""
    well.facts["i-2"] = replace(well.facts["i-2"], compose=None)

    said = well.run("doctor", "--env", "test", "--json")

    assert said.json["ok"] is False
    assert only(said.json, "i-1")["compose"] == "ok"
    assert only(said.json, "i-2")["compose"] == "failed"


def test_a_host_that_is_out_of_reach(well: Fleet) -> None:
    """That is its one finding; the others are examined."""
    well.unreachable["i-1"] = HostUnreachable("i-1", "no SSH connection through SSM")

    said = well.run("doctor", "--env", "test", "--json")

    assert said.code == 1
    assert only(said.json, "i-1") == {"ssh": "failed"}
    assert "docker" in only(said.json, "i-2")


def test_the_account(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """--account asks AWS and no host."""
    facts = AccountFacts(identity="arn:aws:iam::1:user/x", quota_vcpus=0.0)
    monkeypatch.setattr("provision.connectors.account.look", lambda environment: facts)

    said = fleet.run("doctor", "--env", "test", "--account", "--json")

    assert said.code == 1
    assert only(said.json, "account, us-east-1")["quota"] == "failed"
    assert fleet.shell.log == []


def test_account_and_hosts_make_no_sense_together(fleet: Fleet) -> None:
    """Wrong usage, exit 2."""
    assert fleet.run("doctor", "--env", "test", "--account", "--hosts", "i-1").code == 2
