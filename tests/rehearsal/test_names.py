"""Names of the network, as a resolver asks for them."""

from __future__ import annotations

import socket
import struct

import boto3
import pytest
from moto import mock_aws

from rehearsal.names import NameServer, answer, cloud_map
from rehearsal.processes import MachineError

GATEWAY = "gateway.llm-fleet-rehearsal.internal"
KNOWN = {GATEWAY: ["10.97.1.7", "10.97.1.8"]}
HEAD = struct.Struct(">HHHHHH")
A, AAAA = 1, 28
NO_ERROR, SERVER_FAILED, NO_SUCH_NAME = 0, 2, 3


def question(name: str, kind: int = A) -> bytes:
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return HEAD.pack(4711, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", kind, 1)


def read(message: bytes) -> tuple[int, list[str]]:
    """The code, and the addresses."""
    number, flags, asked, found, *_ = HEAD.unpack_from(message)
    assert (number, asked) == (4711, 1)
    records = [message[len(message) - 16 * index :][:16] for index in range(found, 0, -1)]
    return flags & 0xF, [socket.inet_ntoa(record[-4:]) for record in records]


def look(name: str) -> list[str]:
    return KNOWN.get(name, [])


@pytest.mark.parametrize(
    ("name", "kind", "code", "addresses"),
    [
        (GATEWAY, A, NO_ERROR, KNOWN[GATEWAY]),
        (GATEWAY, AAAA, NO_ERROR, []),  # there is one, without such an address
        ("api.openai.com", A, NO_SUCH_NAME, []),
    ],
)
def test_one_question(name: str, kind: int, code: int, addresses: list[str]) -> None:
    """Every address that is known, and at once a no for what is not."""
    assert read(answer(question(name, kind), look)) == (code, addresses)


def test_nobody_knows_right_now() -> None:
    """A fault of whoever knows is not "there is no such name", which would be remembered."""

    def broken(_: str) -> list[str]:
        raise OSError

    assert read(answer(question(GATEWAY), broken)) == (SERVER_FAILED, [])


def test_over_the_wire() -> None:
    """Nonsense does not end it."""
    said: list[str] = []
    server = NameServer("127.0.0.1", look, said.append, port=0).start()
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(5)
            client.sendto(b"\0", ("127.0.0.1", server.port))
            client.sendto(question(GATEWAY), ("127.0.0.1", server.port))
            assert read(client.recv(512)) == (NO_ERROR, KNOWN[GATEWAY])
    finally:
        server.stop()
    assert said[0].startswith("names: ")


def test_a_door_that_somebody_else_has() -> None:
    """It says which, and why that may be."""
    server = NameServer("127.0.0.1", look, print, port=0).start()
    try:
        with pytest.raises(MachineError, match="names can't be told at 127"):
            NameServer("127.0.0.1", look, print, port=server.port)
    finally:
        server.stop()


def test_what_cloud_map_knows() -> None:
    """The instances that are registered under the service, in the zone of that name."""
    with mock_aws():
        session = boto3.Session("testing", "testing", region_name="us-east-1")
        discovery = session.client("servicediscovery")
        vpc = session.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
        discovery.create_private_dns_namespace(Name="llm-fleet-rehearsal.internal", Vpc=vpc)
        space = discovery.list_namespaces()["Namespaces"][0]["Id"]
        service = discovery.create_service(
            Name="gateway",
            DnsConfig={
                "NamespaceId": space,
                "RoutingPolicy": "MULTIVALUE",
                "DnsRecords": [{"Type": "A", "TTL": 10}],
            },
        )["Service"]["Id"]
        lookup = cloud_map(discovery)
        assert lookup(GATEWAY) == []
        discovery.register_instance(
            ServiceId=service, InstanceId="task1", Attributes={"AWS_INSTANCE_IPV4": "10.97.1.7"}
        )
        assert lookup(GATEWAY) == ["10.97.1.7"]
        assert lookup("gateway.elsewhere.internal") == []
        assert lookup("other.llm-fleet-rehearsal.internal") == []
        discovery.deregister_instance(ServiceId=service, InstanceId="task1")
        assert lookup(GATEWAY) == []
