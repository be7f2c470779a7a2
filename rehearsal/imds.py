"""The instance metadata service, version 2, telling instances apart by their address.

Answers carry a TTL of one hop, as on AWS with the hop limit at its default: a container on a
bridge network behind the host never hears them.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from rehearsal.ec2 import Instance
from rehearsal.http_server import QuietHandler

TOKEN_HEADER = "X-aws-ec2-metadata-token"
Look = Callable[[str], Instance | None]
InStore = Callable[[str, str], str | None]


def document(instance: Instance, *, region: str, account: str) -> dict[str, str]:
    """Every path below ``/latest`` that the service knows for *instance*, with its text."""
    role = instance.profile or "rehearsal-host"
    identity = {
        "accountId": account,
        "availabilityZone": instance.zone,
        "imageId": instance.image,
        "instanceId": instance.id,
        "instanceType": instance.type,
        "privateIp": instance.address,
        "region": region,
    }
    texts = {
        "ami-id": instance.image,
        "hostname": f"{instance.hostname}.ec2.internal",
        "instance-id": instance.id,
        "instance-type": instance.type,
        "local-hostname": f"{instance.hostname}.ec2.internal",
        "local-ipv4": instance.address,
        "placement/availability-zone": instance.zone,
        "placement/region": region,
        "iam/info": json.dumps({"Code": "Success", "InstanceProfileArn": role}),
        "iam/security-credentials/": role,
        f"iam/security-credentials/{role}": json.dumps(_credentials()),
        "tags/instance/": "\n".join(sorted(instance.tags)),
        **{f"tags/instance/{key}": value for key, value in instance.tags.items()},
    }
    return {f"meta-data/{path}": text for path, text in texts.items()} | {
        "dynamic/instance-identity/document": json.dumps(identity, indent=2)
    }


def handler(
    look: Look, user_data: Callable[[str], str], in_store: InStore, *, region: str, account: str
) -> type[QuietHandler]:
    """A request handler that asks *look* which instance an address belongs to, and *in_store* for
    items that come and go: an instance's id and the item's name, None when there is none."""
    tokens: set[str] = set()

    class Handler(QuietHandler):
        def do_PUT(self) -> None:
            if self.path != "/latest/api/token":
                return self.answer(404)
            token = secrets.token_urlsafe(24)
            tokens.add(token)
            seconds = self.headers.get(f"{TOKEN_HEADER}-ttl-seconds", "21600")
            return self.answer(
                200, token.encode(), headers={f"{TOKEN_HEADER}-ttl-seconds": seconds}
            )

        def do_GET(self) -> None:
            if self.headers.get(TOKEN_HEADER) not in tokens:
                return self.answer(401)
            instance = look(self.client_address[0])
            if instance is None:
                return self.answer(404)
            path = self.path.removeprefix("/latest/")
            if path == "user-data":
                return self.answer(200, user_data(instance.id).encode())
            known = document(instance, region=region, account=account)
            text = known.get(path, known.get(f"{path}/"))
            if text is None:
                text = in_store(instance.id, path.removeprefix("meta-data/"))
            return self.answer(404) if text is None else self.answer(200, text.encode())

    return Handler


def _credentials() -> dict[str, str]:
    now = datetime.now(UTC)
    return {
        "Code": "Success",
        "Type": "AWS-HMAC",
        "LastUpdated": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "AccessKeyId": "ASIAREHEARSALHOST000",
        "SecretAccessKey": "rehearsal",
        "Token": "rehearsal",
        "Expiration": (now + timedelta(hours=6)).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
