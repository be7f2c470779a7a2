"""Rules of instances, their launch templates and their volumes."""

from __future__ import annotations

import base64
import binascii

from rehearsal.strict.refusal import Look, Params, Refusal, Rule

USER_DATA_MAX = 16_384
GP3_IOPS = (3_000, 80_000)
GP3_THROUGHPUT = (125, 2_000)
IOPS_PER_GIB, MIBPS_PER_IOPS = 500, 0.25
GROUP_DESCRIPTION_MAX = 255
_ATTACHED = {"attaching", "attached", "busy"}


def user_data(params: Params, look: Look) -> Refusal | None:  # noqa: ARG001  # it is a Rule
    """16 KiB before base64; a launch template takes base64 only."""
    if "LaunchTemplateData" in params:
        encoded = params["LaunchTemplateData"].get("UserData", "")
        try:
            raw = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            return Refusal("InvalidUserData.Malformed", "user data of a template is base64")
    else:
        given = params.get("UserData", "")
        raw = given.encode() if isinstance(given, str) else bytes(given)
    if len(raw) > USER_DATA_MAX:
        return Refusal(
            "InvalidParameterValue", f"user data is limited to {USER_DATA_MAX} bytes: {len(raw)}"
        )
    return None


def template(params: Params, look: Look) -> Refusal | None:  # noqa: ARG001
    """What a template can't say at once."""
    data = params["LaunchTemplateData"]
    if data.get("NetworkInterfaces") and data.get("SecurityGroupIds"):
        return Refusal(
            "InvalidParameterCombination", "groups go to the network interface or to the template"
        )
    reservation = data.get("CapacityReservationSpecification", {})
    if "CapacityReservationTarget" in reservation and "CapacityReservationPreference" in (
        reservation
    ):
        return Refusal("InvalidParameterCombination", "a reservation's target or a preference")
    return None


def volume(params: Params, look: Look) -> Refusal | None:  # noqa: ARG001
    """What a gp3 volume can do follows from its size."""
    if params.get("VolumeType") != "gp3":
        return None
    iops = params.get("Iops", GP3_IOPS[0])
    throughput = params.get("Throughput", GP3_THROUGHPUT[0])
    size = params.get("Size")
    if not GP3_IOPS[0] <= iops <= GP3_IOPS[1]:
        return Refusal("InvalidParameterValue", f"iops {iops}: {GP3_IOPS[0]} to {GP3_IOPS[1]}")
    if not GP3_THROUGHPUT[0] <= throughput <= GP3_THROUGHPUT[1]:
        return Refusal(
            "InvalidParameterValue",
            f"throughput {throughput}: {GP3_THROUGHPUT[0]} to {GP3_THROUGHPUT[1]}",
        )
    if size is not None and iops > GP3_IOPS[0] and iops > IOPS_PER_GIB * size:
        return Refusal("InvalidParameterCombination", f"{iops} iops need {iops / 500:.0f} GiB")
    if throughput > MIBPS_PER_IOPS * iops:
        return Refusal("InvalidParameterCombination", f"{throughput} MiB/s: {4 * throughput} iops")
    return None


def attach(params: Params, look: Look) -> Refusal | None:
    """One instance at a time, of the volume's own zone, at a free device."""
    ec2 = look("ec2")
    volume = ec2.describe_volumes(VolumeIds=[params["VolumeId"]])["Volumes"][0]
    found = ec2.describe_instances(InstanceIds=[params["InstanceId"]])
    instance = found["Reservations"][0]["Instances"][0]
    taken = [a for a in volume.get("Attachments", ()) if a.get("State") in _ATTACHED]
    if taken:
        return Refusal(
            "VolumeInUse", f"{params['VolumeId']} is attached to {taken[0]['InstanceId']}"
        )
    here, there = volume["AvailabilityZone"], instance["Placement"]["AvailabilityZone"]
    if here != there:
        return Refusal(
            "InvalidVolume.ZoneMismatch", f"the volume is in {here}, the instance in {there}"
        )
    devices = {m["DeviceName"] for m in instance.get("BlockDeviceMappings", ())}
    if params["Device"] in devices:
        return Refusal("InvalidParameterValue", f"{params['Device']} is already in use")
    return None


def detach(params: Params, look: Look) -> Refusal | None:
    """Only from where it is attached."""
    volume = look("ec2").describe_volumes(VolumeIds=[params["VolumeId"]])["Volumes"][0]
    holders = {
        a["InstanceId"] for a in volume.get("Attachments", ()) if a.get("State") in _ATTACHED
    }
    if params.get("InstanceId", next(iter(holders), None)) not in holders:
        return Refusal("IncorrectState", f"{params['VolumeId']} is not attached there")
    return None


def delete(params: Params, look: Look) -> Refusal | None:
    """Not while it is attached."""
    volume = look("ec2").describe_volumes(VolumeIds=[params["VolumeId"]])["Volumes"][0]
    if volume.get("Attachments"):
        return Refusal("VolumeInUse", f"{params['VolumeId']} is attached")
    return None


def security_group(params: Params, look: Look) -> Refusal | None:  # noqa: ARG001
    """Names and descriptions of security groups."""
    if params["GroupName"].startswith("sg-"):
        return Refusal("InvalidParameterValue", "a group's name can't begin with sg-")
    allowed = set("._-:/()#,@[]+=&;{}!$* ")
    for text in (params["GroupName"], params["Description"]):
        if len(text) > GROUP_DESCRIPTION_MAX or not all(
            c in allowed or (c.isascii() and c.isalnum()) for c in text
        ):
            return Refusal("InvalidParameterValue", f"{text!r} has characters that are not allowed")
    return None


RULES: dict[tuple[str, str], tuple[Rule, ...]] = {
    ("ec2", "RunInstances"): (user_data,),
    ("ec2", "CreateLaunchTemplate"): (user_data, template),
    ("ec2", "CreateLaunchTemplateVersion"): (user_data, template),
    ("ec2", "CreateVolume"): (volume,),
    ("ec2", "AttachVolume"): (attach,),
    ("ec2", "DetachVolume"): (detach,),
    ("ec2", "DeleteVolume"): (delete,),
    ("ec2", "CreateSecurityGroup"): (security_group,),
}
