"""A host on loopback and a shell to it; AWS's prices as recorded answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.config.environment import AccessSettings, Transport
from provision.connectors.ssh import FabricShell
from provision.facts.inventory import Host
from tests.connectors.price_answers import Recorded, recorded
from tests.connectors.ssh_server import Server, new_key


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    user_key = new_key(tmp_path / "identity")
    folder = tmp_path / "host"
    folder.mkdir()
    server = Server(new_key(tmp_path / "host_key"), user_key.get_base64(), folder)
    yield server
    server.close()


@pytest.fixture
def access(server: Server, tmp_path: Path) -> AccessSettings:
    return AccessSettings(
        transport=Transport.DIRECT,
        user="root",
        port=server.port,
        identity_file=str(tmp_path / "identity"),
        connect_timeout_s=5,
    )


@pytest.fixture
def host(server: Server) -> Host:
    return Host("i-0abc", "127.0.0.1", host_keys=(server.public_key,))


@pytest.fixture
def shell(access: AccessSettings) -> Iterator[FabricShell]:
    shell = FabricShell(access, "eu-central-1")
    yield shell
    shell.close()


@pytest.fixture
def answers() -> Iterator[Recorded]:
    """AWS's price answers, to be prepared by the test."""
    with recorded() as prepared:
        yield prepared
