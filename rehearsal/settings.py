"""What one machine room is made of; the cloud process reads it from a file."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from rehearsal.network import Network

ACCOUNT = "123456789012"  # moto's own
API_PORT, HUB_PORT, PACKAGES_PORT, WEBHOOK_PORT, HOSTED_PORT = 5000, 5080, 5081, 5082, 5083
HUB_NAME = "hub.rehearsal"
HOSTED_KEY = "sk-rehearsal"  # the hosted stand-in takes no other


@dataclass(frozen=True, slots=True)
class Settings:
    """One machine room.

    Attributes:
        state: everything that the room keeps; hosts see an empty folder there.
        region: the region that the AWS API, the registry's name and the hosts speak of.
        hub: folder with models as ``ORG/NAME/files``.
        gated: models (``ORG/NAME``) that the hub gives to a bearer token only.
        binds: folders of this machine shown read-only in every host.
        gpu: name of the GPU that every host's nvidia-smi shows, and *gpus* how many.
        outage: whether a way out stands beside the hosts: gateway, switch, hosted API.
    """

    state: Path
    hub: Path
    region: str = "us-east-1"
    cidr: str = "10.97.0.0/16"
    bridge: str = "lf0"
    gated: tuple[str, ...] = ()
    binds: tuple[Path, ...] = ()
    gpu: str = "A10G"
    gpus: int = 1
    outage: bool = False

    @property
    def network(self) -> Network:
        """The room's network."""
        return Network(self.cidr, self.bridge)

    @property
    def api(self) -> str:
        """URL of the AWS API."""
        return f"http://{self.network.machine}:{API_PORT}"

    @property
    def registry_name(self) -> str:
        """The account's ECR registry, as image names spell it."""
        return f"{ACCOUNT}.dkr.ecr.{self.region}.amazonaws.com"

    @property
    def notices(self) -> Path:
        """What AWS has in store for hosts, a file each."""
        return self.state / "notices"

    @property
    def ssh_key(self) -> Path:
        """The operator's private key; its public half is in every host."""
        return self.state / "ssh_key"

    def save(self) -> Path:
        """Write it down for the cloud process and for a later ``fab`` command."""
        file = self.state / "room.json"
        file.write_text(json.dumps(asdict(self), default=str, indent=2))
        return file

    @classmethod
    def load(cls, file: Path) -> Settings:
        """Read what :meth:`save` wrote."""
        said = json.loads(file.read_text())
        for name in ("state", "hub"):
            said[name] = Path(said[name])
        said["binds"] = tuple(Path(path) for path in said["binds"])
        said["gated"] = tuple(said["gated"])
        return cls(**said)


def forget_aws_settings() -> None:
    """No call of this process leaves with a person's credentials, or trips over their profile."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
