"""What every test gets: a bare environment, no way out of this machine."""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import settings
from pytest_socket import socket_allow_hosts

LOOPBACK_AND_LAB = ["127.0.0.1", "::1", "localhost", "10.97.0.0/16"]

# A busy machine is slow, not wrong.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


# Whoever starts the tests in the background hands down an ignored Ctrl-C; here it is tested.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the person's AWS account, environment choice or proxy."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "LLM_FLEET_ENV", "PULUMI_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def pytest_runtest_setup() -> None:
    """Connections go to loopback and to the lab's own hosts, or fail."""
    socket_allow_hosts(LOOPBACK_AND_LAB, allow_unix_socket=True)
