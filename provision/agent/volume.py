"""The cache volume of this host: the one it has, a free one, or a new one.

Several hosts may want the same volume at the same time: AttachVolume lets one of them have it, the
others try the next (decision 15).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from provision.agent.cloud import Cloud, calling
from provision.agent.errors import AgentError, CloudUnreachable
from provision.agent.events import Clock, Events
from provision.agent.metadata import Identity
from provision.agent.settings import CacheSettings, HostSettings

CACHE_TAG = "llm-fleet:cache"
_DEVICES = ("/dev/sdf", "/dev/sdg", "/dev/sdh", "/dev/sdi", "/dev/sdj")
_ATTACH_S = 120.0
_STEP_S = 2.0
_ROUNDS = 5
_TAKEN = ("VolumeInUse", "IncorrectState", "InvalidVolume.NotFound", "InvalidVolume.ZoneMismatch")


@dataclass(frozen=True)
class Volume:
    """One volume of the pool as EC2 describes it."""

    id: str
    zone: str
    state: str
    instances: Sequence[str]

    @staticmethod
    def parse(item: Mapping[str, Any]) -> Volume:
        """Read one entry of DescribeVolumes."""
        attachments = [entry["InstanceId"] for entry in item.get("Attachments", [])]
        return Volume(item["VolumeId"], item["AvailabilityZone"], item["State"], attachments)


def candidates(volumes: Sequence[Volume], identity: Identity) -> List[Volume]:
    """The volumes that this host may try to attach, in the order to try them.

    Hosts that boot together start at different places, so that they seldom want the same one.
    """
    free = sorted(
        (v for v in volumes if v.state == "available" and v.zone == identity.zone),
        key=lambda volume: volume.id,
    )
    start = sum(identity.instance_id.encode()) % len(free) if free else 0
    return free[start:] + free[:start]


class Claim:
    """Finds, attaches or creates this host's volume."""

    def __init__(
        self, cloud: Cloud, settings: HostSettings, identity: Identity, clock: Clock, events: Events
    ) -> None:
        self._ec2 = cloud.client("ec2")
        self._environment = settings.environment
        self._cache = settings.cache
        self._identity = identity
        self._clock = clock
        self._events = events

    def volume_id(self) -> str:
        """The id of the volume that is attached to this instance, claimed if need be."""
        if self._cache is None:
            raise AgentError("host.json describes no cache volume")
        for _ in range(_ROUNDS):
            claimed = self._mine() or self._free() or self._created(self._cache)
            if claimed is not None:
                return claimed
        raise AgentError(
            "other hosts took every cache volume first", hint="the next try follows by itself"
        )

    def _mine(self) -> Optional[str]:
        for volume in self._volumes():
            if self._identity.instance_id in volume.instances:
                return self._attached(volume.id)
        return None

    def _free(self) -> Optional[str]:
        for volume in candidates(self._volumes(), self._identity):
            if self._attach(volume.id):
                return self._attached(volume.id)
        return None

    def _created(self, cache: CacheSettings) -> Optional[str]:
        volumes = self._volumes()
        if len(volumes) >= cache.max_volumes:
            raise AgentError(
                f"no cache volume is free in {self._identity.zone}, and the environment has "
                f"{len(volumes)} of {cache.max_volumes} already",
                hint="delete volumes that nobody needs, or raise fleet.max_hosts",
            )
        volume_id = self._create(cache)
        # Another host may have it by now; attaching will tell.
        state = self._wait(volume_id, lambda state: state != "creating")
        if state == "error":
            raise AgentError(
                f"the new volume {volume_id} came to nothing (state error)",
                hint="may the hosts use the key in model_cache.kms_key_arn? delete this volume",
            )
        return self._attached(volume_id) if self._attach(volume_id) else None

    def _create(self, cache: CacheSettings) -> str:
        snapshot = self._newest_snapshot()
        tags = {
            CACHE_TAG: self._environment,
            "llm-fleet:environment": self._environment,
            "Project": "llm-fleet",
            "Name": f"llm-fleet-{self._environment}-cache",
        }
        request: Dict[str, Any] = {
            "AvailabilityZone": self._identity.zone,
            "Size": cache.size_gib,
            "VolumeType": "gp3",
            "Throughput": cache.throughput_mibps,
            "Iops": cache.iops,
            "Encrypted": True,
            "TagSpecifications": [
                {
                    "ResourceType": "volume",
                    "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
                }
            ],
        }
        if cache.kms_key_arn:
            request["KmsKeyId"] = cache.kms_key_arn
        if snapshot:
            request["SnapshotId"] = snapshot
        volume_id: str = self._call("create a cache volume", "create_volume", **request)["VolumeId"]
        self._events.emit("volume-created", volume=volume_id, snapshot=snapshot)
        return volume_id

    def _newest_snapshot(self) -> Optional[str]:
        answer = self._call(
            "list the cache's snapshots",
            "describe_snapshots",
            OwnerIds=["self"],
            Filters=[_tag(self._environment), {"Name": "status", "Values": ["completed"]}],
        )
        newest = sorted(answer["Snapshots"], key=lambda snapshot: snapshot["StartTime"])
        return newest[-1]["SnapshotId"] if newest else None

    def _attach(self, volume_id: str) -> bool:
        """True when this host got the volume, False when somebody else has it."""
        from botocore.exceptions import ClientError

        for device in _DEVICES:
            try:
                self._ec2.attach_volume(
                    VolumeId=volume_id, InstanceId=self._identity.instance_id, Device=device
                )
            except ClientError as error:
                code = error.response["Error"]["Code"]
                if code in _TAKEN:
                    self._events.emit("volume-taken", volume=volume_id)
                    return False
                if code == "InvalidParameterValue" and device != _DEVICES[-1]:
                    continue  # this device name is in use on this instance
                raise CloudUnreachable(f"can't attach {volume_id}: {error}") from None
            self._events.emit("volume-claimed", volume=volume_id)
            return True
        return False

    def _attached(self, volume_id: str) -> str:
        self._wait(volume_id, lambda state: state == "in-use")
        return volume_id

    def _wait(self, volume_id: str, done: Callable[[str], bool]) -> str:
        deadline = self._clock.monotonic() + _ATTACH_S
        while not done(state := self._state(volume_id)):
            if self._clock.monotonic() >= deadline:
                raise AgentError(f"volume {volume_id} is still {state} after {_ATTACH_S:.0f} s")
            self._clock.sleep(_STEP_S)
        return state

    def _state(self, volume_id: str) -> str:
        answer = self._call("look at a volume", "describe_volumes", VolumeIds=[volume_id])
        state: str = answer["Volumes"][0]["State"]
        return state

    def _volumes(self) -> List[Volume]:
        answer = self._call(
            "list the cache volumes", "describe_volumes", Filters=[_tag(self._environment)]
        )
        return [Volume.parse(item) for item in answer["Volumes"]]

    def _call(self, what: str, method: str, **arguments: Any) -> Any:
        with calling(what):
            return getattr(self._ec2, method)(**arguments)


def _tag(environment: str) -> Dict[str, Any]:
    return {"Name": f"tag:{CACHE_TAG}", "Values": [environment]}
