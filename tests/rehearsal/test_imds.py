"""The instance metadata service, version 2."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from rehearsal import imds
from rehearsal.ec2 import Instance
from rehearsal.http_server import Server

pytestmark = pytest.mark.enable_socket
INSTANCE = Instance(
    id="i-0123456789abcdef0",
    address="127.0.0.1",
    state="running",
    type="g5.xlarge",
    zone="us-east-1b",
    image="ami-1",
    root_device="/dev/sda1",
    profile="host-profile",
    tags={"Name": "gpu"},
)


@pytest.fixture
def url() -> Iterator[str]:
    handler = imds.handler(
        {INSTANCE.address: INSTANCE}.get,
        lambda _: "#!/bin/sh\n",
        lambda *asked: {(INSTANCE.id, "autoscaling/target-lifecycle-state"): "InService"}.get(
            asked
        ),
        region="us-east-1",
        account="1",
    )
    server = Server("127.0.0.1", 0, handler).start()
    yield f"http://127.0.0.1:{server.port}/latest"
    server.stop()


def ask(url: str, method: str = "GET", token: str = "") -> str:
    headers = {imds.TOKEN_HEADER: token} if token else {}
    request = urllib.request.Request(url, headers=headers, method=method)
    with urllib.request.urlopen(request, timeout=5) as answer:
        text: str = answer.read().decode()
    return text


def test_tells_an_instance_who_it_is(url: str) -> None:
    """By the address from which it asks."""
    token = ask(f"{url}/api/token", "PUT")
    paths = ("instance-id", "instance-type", "placement/availability-zone", "placement/region")

    said = [ask(f"{url}/meta-data/{path}", token=token) for path in paths]

    assert said == ["i-0123456789abcdef0", "g5.xlarge", "us-east-1b", "us-east-1"]
    assert ask(f"{url}/meta-data/tags/instance/Name", token=token) == "gpu"
    assert ask(f"{url}/user-data", token=token) == "#!/bin/sh\n"


def test_gives_the_credentials_of_the_role(url: str) -> None:
    """The role is named first, then asked for; the keys say that they are a session's."""
    token = ask(f"{url}/api/token", "PUT")
    role = ask(f"{url}/meta-data/iam/security-credentials/", token=token)

    keys = json.loads(ask(f"{url}/meta-data/iam/security-credentials/{role}", token=token))

    assert role == "host-profile"
    assert keys["AccessKeyId"].startswith("ASIA")
    assert keys["Code"] == "Success"


@pytest.mark.parametrize("token", ["", "made-up"])
def test_version_one_is_off(url: str, token: str) -> None:
    """Without a token of the service's own every path is 401."""
    with pytest.raises(urllib.error.HTTPError, match="401") as caught:
        ask(f"{url}/meta-data/instance-id", token=token)
    caught.value.close()


def test_tells_what_the_group_has_in_store(url: str) -> None:
    """Items that come and go are asked for by instance and name."""
    token = ask(f"{url}/api/token", "PUT")
    said = ask(f"{url}/meta-data/autoscaling/target-lifecycle-state", token=token)
    assert said == "InService"


def test_what_is_not_there_is_404(url: str) -> None:
    """No spot notice, for instance."""
    token = ask(f"{url}/api/token", "PUT")
    with pytest.raises(urllib.error.HTTPError, match="404") as caught:
        ask(f"{url}/meta-data/spot/instance-action", token=token)
    caught.value.close()
