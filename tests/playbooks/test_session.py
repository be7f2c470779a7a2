"""One environment and its doors."""

from __future__ import annotations

from pathlib import Path

import pytest

from playbooks.session import Session
from provision.connectors.aws import AwsCloud
from provision.connectors.clock import SystemClock
from provision.connectors.http import HttpxHttp
from provision.connectors.ssh import FabricShell
from provision.errors import ConfigError
from provision.testing import samples
from provision.testing.shell import FakeShell

ROOT = Path(__file__).resolve().parent.parent.parent


def test_an_environment_says_why_it_was_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the flag, or by the process environment."""
    monkeypatch.chdir(ROOT)
    assert Session.open("dev").chosen == "dev, named by --env"
    monkeypatch.setenv("LLM_FLEET_ENV", "prod")
    session = Session.open(None)
    assert (session.environment.name, session.chosen) == ("prod", "prod, named by LLM_FLEET_ENV")


def test_an_unknown_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ones there are."""
    monkeypatch.chdir(ROOT)
    with pytest.raises(ConfigError, match="known environments: dev, prod"):
        Session.open("nope")


def test_doors_are_made_once_and_only_when_used() -> None:
    """Opening a session reaches nobody."""
    with Session(samples.environment()) as session:
        assert isinstance(session.cloud, AwsCloud)
        assert isinstance(session.http, HttpxHttp)
        assert isinstance(session.clock, SystemClock)
        assert isinstance(session.shell, FabricShell)
        assert session.shell is session.shell


def test_leaving_closes_the_connections_of_a_task_that_failed() -> None:
    """And lets the error through."""
    shell = FakeShell()
    with pytest.raises(ZeroDivisionError), Session(samples.environment(), _shell=shell):
        raise ZeroDivisionError
    assert shell.closing.is_set()
