"""Follows EC2 as moto tells it: an instance that runs there is a host here, a volume is a disk."""

from __future__ import annotations

import base64
import contextlib
import json
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rehearsal import made_up
from rehearsal.host import HostProcess, Machine
from rehearsal.host_files import Identity
from rehearsal.notices import Notices
from rehearsal.settings import HUB_NAME, Settings
from rehearsal.volumes import VolumeStore, by_id

POLL_S = 0.5
OFF = ("shutting-down", "terminated")


def client(service: str, settings: Settings) -> Any:
    """A boto3 client for the room's AWS API, never with the operator's own credentials."""
    return made_up.session(settings.region).client(service, endpoint_url=settings.api)


@dataclass(frozen=True, slots=True)
class Instance:
    """One EC2 instance, as its metadata service tells it."""

    id: str
    address: str
    state: str
    type: str
    zone: str
    image: str
    root_device: str
    profile: str = ""
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Short name of its host: the last ten digits of the id."""
        return self.id[-10:]

    @property
    def hostname(self) -> str:
        """As AWS names hosts by address."""
        return f"ip-{self.address.replace('.', '-')}"

    @classmethod
    def parse(cls, item: dict[str, Any]) -> Instance:
        """Read one instance of DescribeInstances."""
        return cls(
            id=item["InstanceId"],
            address=item.get("PrivateIpAddress", ""),
            state=item["State"]["Name"],
            type=item["InstanceType"],
            zone=item["Placement"]["AvailabilityZone"],
            image=item["ImageId"],
            root_device=item.get("RootDeviceName", ""),
            profile=item.get("IamInstanceProfile", {}).get("Arn", "").rpartition("/")[2],
            tags={tag["Key"]: tag["Value"] for tag in item.get("Tags", [])},
        )


class Follower:
    """Makes the machine look like what EC2 says, twice a second, in a thread of its own."""

    def __init__(
        self,
        settings: Settings,
        machine: Machine,
        volumes: VolumeStore,
        say: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._machine = machine
        self._say = say
        self._ec2 = client("ec2", settings)
        self._volumes = volumes
        self.notices = Notices(settings.notices, client("autoscaling", settings))
        self._pool = ThreadPoolExecutor(max_workers=8)
        self._jobs: dict[str, Future[None]] = {}
        self._instances: dict[str, Instance] = {}
        self._attached: dict[str, Instance] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="ec2", daemon=True)

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """Stop following, take every host and disk away."""
        self._stop.set()
        self._thread.join()
        self._pool.shutdown(wait=True, cancel_futures=True)
        for host in self._machine.hosts():
            host.remove()
        for volume in self._volumes.devices():
            self._volumes.release(volume)

    def by_address(self, address: str) -> Instance | None:
        """The instance that has *address* and is not gone."""
        for instance in list(self._instances.values()):
            if instance.address == address and instance.state not in OFF:
                return instance
        return None

    def address_of(self, instance_id: str) -> str | None:
        """Private address of an instance that runs."""
        instance = self._instances.get(instance_id)
        return instance.address if instance and instance.state == "running" else None

    def user_data(self, instance_id: str) -> str:
        """The instance's user data as text, empty when it has none."""
        answer = self._ec2.describe_instance_attribute(InstanceId=instance_id, Attribute="userData")
        encoded = answer.get("UserData", {}).get("Value", "")
        text = base64.b64decode(encoded).decode()
        # A launch template's user data comes out of moto encoded twice.
        with contextlib.suppress(ValueError):
            text = text if text.startswith("#!") else base64.b64decode(text, validate=True).decode()
        return text

    def _loop(self) -> None:
        while not self._stop.wait(POLL_S):
            try:
                self._take_back()
                self._follow_instances()
                self._follow_volumes()
            except Exception:
                self._say(f"ec2: {traceback.format_exc()}")

    def _take_back(self) -> None:
        """Spot instances whose two minutes are over."""
        for instance in self.notices.due(datetime.now(UTC)):
            self.notices.forget(instance)
            self._ec2.terminate_instances(InstanceIds=[instance])

    def _follow_instances(self) -> None:
        pages = self._ec2.get_paginator("describe_instances").paginate()
        found = [
            Instance.parse(item)
            for page in pages
            for reservation in page["Reservations"]
            for item in reservation["Instances"]
        ]
        self._instances = {instance.id: instance for instance in found}
        for instance in found:
            host = HostProcess(self._machine, instance.key)
            exists = host.folder.exists()
            if instance.state == "running" and not exists:
                self._do(instance, self._launch)
            elif instance.state in OFF and exists:
                self._do(instance, self._terminate)
            elif instance.state == "stopped" and exists and host.running():
                self._do(instance, lambda i: HostProcess(self._machine, i.key).kill())
            elif instance.state == "running" and self._was_stopped(host):
                self._do(instance, lambda i: HostProcess(self._machine, i.key).boot())

    def _was_stopped(self, host: HostProcess) -> bool:
        # A host that died without EC2's knowing stays dead: that is the fault being rehearsed.
        return not (host.folder / "process.json").exists() and not (host.folder / "dead").exists()

    def _do(self, instance: Instance, action: Callable[[Instance], None]) -> None:
        running = self._jobs.get(instance.id)
        if running is None or running.done():
            self._jobs[instance.id] = self._pool.submit(self._carefully, instance, action)

    def _carefully(self, instance: Instance, action: Callable[[Instance], None]) -> None:
        try:
            action(instance)
        except Exception:
            self._say(f"{instance.id}: {traceback.format_exc()}")
            (HostProcess(self._machine, instance.key).folder / "dead").touch()

    def _launch(self, instance: Instance) -> None:
        settings, network = self._settings, self._settings.network
        host = HostProcess(self._machine, instance.key)
        host.create(
            Identity(
                name=instance.hostname,
                address=instance.address,
                gateway=network.machine,
                cgroup=host.cgroup,
                authorized_key=settings.ssh_key.with_suffix(".pub").read_text(),
                names=(
                    (HUB_NAME, network.registry),
                    (settings.registry_name, network.registry),
                ),
                registries=(HUB_NAME, settings.registry_name),
                user_data=self.user_data(instance.id),
                gpu=settings.gpu,
                gpus=settings.gpus,
            )
        )
        self._write_down(instance)
        host.boot()
        self._say(f"{instance.id} is up at {instance.address}")

    def _terminate(self, instance: Instance) -> None:
        self._address_file(instance.id).unlink(missing_ok=True)
        HostProcess(self._machine, instance.key).remove()
        self._say(f"{instance.id} is gone")

    def _write_down(self, instance: Instance) -> None:
        file = self._address_file(instance.id)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(
            json.dumps({"address": instance.address, "key": instance.key, "id": instance.id})
        )

    def _address_file(self, instance_id: str) -> Path:
        return self._settings.state / "instances" / f"{instance_id}.json"

    def _follow_volumes(self) -> None:
        volumes = {v["VolumeId"]: v for v in self._ec2.describe_volumes()["Volumes"]}
        wanted = {}
        for volume_id, volume in volumes.items():
            for attachment in volume.get("Attachments", []):
                instance = self._instances.get(attachment["InstanceId"])
                if instance is None or attachment["Device"] == instance.root_device:
                    continue
                if instance.state in OFF:
                    # AWS does this by itself; moto needs to be told, with every parameter.
                    self._ec2.detach_volume(
                        VolumeId=volume_id,
                        InstanceId=attachment["InstanceId"],
                        Device=attachment["Device"],
                    )
                else:
                    wanted[volume_id] = instance
        for volume_id, before in list(self._attached.items()):
            now = wanted.get(volume_id)
            if now is None or now.id != before.id:
                self._detach(volume_id, deleted=volume_id not in volumes)
        for volume_id, instance in wanted.items():
            if self._shown(volume_id, instance):
                continue
            self._attach(volumes[volume_id], instance)

    def _shown(self, volume_id: str, instance: Instance) -> bool:
        # A host that rebooted has a new /dev: attach again.
        known = self._attached.get(volume_id)
        if known is None or known.id != instance.id:
            return False
        host = HostProcess(self._machine, instance.key)
        return not host.running() or host.has_disk(by_id(volume_id))

    def _attach(self, volume: dict[str, Any], instance: Instance) -> None:
        host = HostProcess(self._machine, instance.key)
        if not host.running() or not host.ready():
            return
        device = self._volumes.device(
            volume["VolumeId"], size_gib=volume["Size"], snapshot=volume.get("SnapshotId", "")
        )
        host.attach(device, by_id(volume["VolumeId"]))
        self._attached[volume["VolumeId"]] = instance

    def _detach(self, volume_id: str, *, deleted: bool) -> None:
        instance, device = self._attached[volume_id], self._volumes.attached(volume_id)
        if device is not None:
            HostProcess(self._machine, instance.key).detach(device, by_id(volume_id))
        self._volumes.release(volume_id)
        if deleted:
            self._volumes.delete(volume_id)
        del self._attached[volume_id]
