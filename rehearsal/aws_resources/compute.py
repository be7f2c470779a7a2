"""Key pairs, launch templates, and the Auto Scaling group that brings the hosts."""

from __future__ import annotations

from typing import Any

from rehearsal.aws_resources.account import Account, Made, Maker, Request, capitalised

# Inputs of the launch template that the API takes as they are, but for their capitals.
_NESTED = (
    "blockDeviceMappings",
    "iamInstanceProfile",
    "metadataOptions",
    "instanceMarketOptions",
    "capacityReservationSpecification",
)


def key_pair(account: Account, request: Request) -> Made:
    """The operator's public key."""
    made = account.client("ec2").import_key_pair(
        KeyName=request.inputs["keyName"],
        PublicKeyMaterial=request.inputs["publicKey"].encode(),
        TagSpecifications=[{"ResourceType": "key-pair", "Tags": request.tag_list()}],
    )
    return Made(made["KeyName"], {"keyPairId": made["KeyPairId"]})


def launch_template(account: Account, request: Request) -> Made:
    """A launch template at its first version."""
    made = account.client("ec2").create_launch_template(
        LaunchTemplateName=request.inputs["name"],
        LaunchTemplateData=_template_data(request),
        TagSpecifications=[{"ResourceType": "launch-template", "Tags": request.tag_list()}],
    )["LaunchTemplate"]
    template_id = made["LaunchTemplateId"]
    arn = f"arn:aws:ec2:{account.region}:{account.id}:launch-template/{template_id}"
    version = made["LatestVersionNumber"]
    return Made(template_id, {"arn": arn, "latestVersion": version, "defaultVersion": version})


def scaling_group(account: Account, request: Request) -> Made:
    """The group; moto launches its instances and registers them with the target groups."""
    autoscaling = account.client("autoscaling")
    name = request.inputs["name"]
    template = request.inputs["launchTemplate"]
    autoscaling.create_auto_scaling_group(
        AutoScalingGroupName=name,
        **request.given(
            MinSize="minSize",
            MaxSize="maxSize",
            DesiredCapacity="desiredCapacity",
            TargetGroupARNs="targetGroupArns",
            HealthCheckType="healthCheckType",
            HealthCheckGracePeriod="healthCheckGracePeriod",
        ),
        LaunchTemplate={
            "LaunchTemplateId": template["id"],
            "Version": template["version"],
        },
        VPCZoneIdentifier=",".join(request.inputs["vpcZoneIdentifiers"]),
        Tags=[
            {
                "Key": tag["key"],
                "Value": tag["value"],
                "PropagateAtLaunch": tag["propagateAtLaunch"],
            }
            for tag in request.inputs["tags"]
        ],
    )
    if "suspendedProcesses" in request.inputs:
        autoscaling.suspend_processes(
            AutoScalingGroupName=name, ScalingProcesses=request.inputs["suspendedProcesses"]
        )
    autoscaling.enable_metrics_collection(
        AutoScalingGroupName=name,
        Granularity=request.inputs["metricsGranularity"],
        Metrics=request.inputs["enabledMetrics"],
    )
    group = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])
    return Made(name, {"arn": group["AutoScalingGroups"][0]["AutoScalingGroupARN"]})


def lifecycle_hook(account: Account, request: Request) -> Made:
    """What the group waits for before it ends or starts a host."""
    name = request.inputs["name"]
    account.client("autoscaling").put_lifecycle_hook(
        LifecycleHookName=name,
        **request.given(
            AutoScalingGroupName="autoscalingGroupName",
            LifecycleTransition="lifecycleTransition",
            HeartbeatTimeout="heartbeatTimeout",
            DefaultResult="defaultResult",
        ),
    )
    return Made(name)


def _template_data(request: Request) -> dict[str, Any]:
    data: dict[str, Any] = request.given(
        ImageId="imageId",
        InstanceType="instanceType",
        KeyName="keyName",
        UserData="userData",
        SecurityGroupIds="vpcSecurityGroupIds",
    )
    nested = {name: request.inputs[name] for name in _NESTED if name in request.inputs}
    data |= {key: _truths(value) for key, value in capitalised(nested).items()}
    if "ebsOptimized" in request.inputs:
        data["EbsOptimized"] = request.inputs["ebsOptimized"] == "true"
    data["TagSpecifications"] = [
        {
            "ResourceType": specification["resourceType"],
            "Tags": [{"Key": k, "Value": v} for k, v in sorted(specification["tags"].items())],
        }
        for specification in request.inputs.get("tagSpecifications", ())
    ]
    return data


def _truths(value: Any) -> Any:
    """The provider spells some truths as text."""
    if isinstance(value, dict):
        return {key: _truths(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_truths(item) for item in value]
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


MAKERS: dict[str, Maker] = {
    "aws:ec2/keyPair:KeyPair": key_pair,
    "aws:ec2/launchTemplate:LaunchTemplate": launch_template,
    "aws:autoscaling/group:Group": scaling_group,
    "aws:autoscaling/lifecycleHook:LifecycleHook": lifecycle_hook,
}
