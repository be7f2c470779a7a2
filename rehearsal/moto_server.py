"""moto as this machine's AWS, with target health as the rehearsal's load balancer sees it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.elastic_block_store import EBSBackend
from moto.ec2.models.launch_templates import LaunchTemplate
from moto.ec2.utils import parse_user_data
from moto.elbv2 import models
from moto.elbv2.exceptions import TargetGroupNotFoundError
from moto.server import ThreadedMotoServer
from werkzeug.serving import WSGIRequestHandler

from rehearsal import moto_dynamodb, moto_lifecycle, moto_reservations
from rehearsal.alb_health import DRAINING, INITIAL, Board, Health

UNUSED = Health("unused", "Target.NotInUse", "Target is not in the running state")


def serve(
    address: str, port: int, board: Board, on_snapshot: Callable[[str, str], None]
) -> ThreadedMotoServer:
    """Start moto on *address*.

    Its DescribeTargetHealth reads *board*; *on_snapshot* is called with volume and snapshot id when
    a snapshot is made (asking moto for snapshots costs it a second each time: it has 1,300).
    """
    _patch_health(board)
    _patch_snapshots(on_snapshot)
    _refuse_second_attachment()
    _patch_template_versions()
    moto_reservations.teach(_replace)
    moto_dynamodb.make_atomic()
    moto_lifecycle.teach(_replace)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    # It sends each answer in two parts, of which the second would wait 40 ms for an ACK.
    WSGIRequestHandler.disable_nagle_algorithm = True
    server = ThreadedMotoServer(ip_address=address, port=port, verbose=False)
    server.start()
    return server


def _patch_health(board: Board) -> None:
    judge = models.FakeTargetGroup.health_for

    def health_for(group: Any, target: dict[str, Any], ec2: Any) -> Any:
        moto_says = judge(group, target, ec2)
        port = int(moto_says.port)
        # Registered again, a target that still drains counts as new.
        leaving = target["Id"] not in group.targets
        if leaving and (target["Id"], port) in board.draining(group.arn):
            return _status(target["Id"], port, group, DRAINING)
        if moto_says.status != "healthy":
            return moto_says
        if target["Id"].startswith("i-") and not _runs(target["Id"], ec2):
            return _status(target["Id"], port, group, UNUSED)
        return _status(
            target["Id"], port, group, board.get(group.arn, target["Id"], port) or INITIAL
        )

    def describe(backend: Any, target_group_arn: str, targets: list[dict[str, Any]]) -> list[Any]:
        group = backend.target_groups.get(target_group_arn)
        if group is None:
            raise TargetGroupNotFoundError()
        if not targets:
            targets = list(group.targets.values())
            known = {(target["Id"], int(target["Port"])) for target in targets}
            leaving = set(board.draining(target_group_arn)) - known
            targets += [{"Id": name, "Port": port} for name, port in sorted(leaving)]
        return [group.health_for(target, backend.ec2_backend) for target in targets]

    _replace(models.FakeTargetGroup, "health_for", health_for)
    _replace(models.ELBv2Backend, "describe_target_health", describe)


def _patch_snapshots(on_snapshot: Callable[[str, str], None]) -> None:
    create = EBSBackend.create_snapshot

    def create_snapshot(backend: Any, volume_id: str, *args: Any, **kwargs: Any) -> Any:
        snapshot = create(backend, volume_id, *args, **kwargs)
        on_snapshot(volume_id, snapshot.id)
        return snapshot

    _replace(EBSBackend, "create_snapshot", create_snapshot)


def _refuse_second_attachment() -> None:
    """A volume is on one host at a time, and both stand in one zone: moto would take anything."""
    attach, one_at_a_time = EBSBackend.attach_volume, threading.Lock()

    def attach_volume(
        backend: Any, volume_id: str, instance_id: str, *args: Any, **kwargs: Any
    ) -> Any:
        with one_at_a_time:
            volume, host = backend.get_volume(volume_id), backend.get_instance(instance_id)
            if volume.attachment is not None:
                raise EC2ClientError(
                    "VolumeInUse", f"{volume_id} is already attached to an instance"
                )
            if _zone(volume.zone) != _zone(host.placement.zone):
                raise EC2ClientError(
                    "InvalidVolume.ZoneMismatch",
                    f"The volume '{volume_id}' is not in the same availability zone as instance"
                    f" '{instance_id}'",
                )
            return attach(backend, volume_id, instance_id, *args, **kwargs)

    _replace(EBSBackend, "attach_volume", attach_volume)


def _patch_template_versions() -> None:
    """moto launches from a second version with user data as well as from the first."""
    create = LaunchTemplate.create_version

    def create_version(template: Any, data: dict[str, Any], description: str) -> Any:
        if isinstance(data.get("UserData"), str):
            data = {**data, "UserData": parse_user_data(data["UserData"])}
        return create(template, data, description)

    _replace(LaunchTemplate, "create_version", create_version)


def _zone(zone: Any) -> str:
    """moto keeps a zone as its name or as an object that has one."""
    return str(getattr(zone, "name", zone))


def _replace(owner: type, name: str, attribute: Any) -> None:
    setattr(owner, name, attribute)


def _runs(instance: str, ec2: Any) -> bool:
    found = ec2.get_instance_by_id(instance)
    return found is not None and found.state == "running"


def _status(name: str, port: int, group: Any, health: Health) -> Any:
    return models.FakeHealthStatus(
        name,
        str(port),
        group.health_check_port,
        health.state,
        health.reason or None,
        health.description or None,
    )
