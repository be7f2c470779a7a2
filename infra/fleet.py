"""The GPU hosts: what one is, and the group that brings back one that died."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws.autoscaling as autoscaling
import pulumi_aws.ec2 as ec2
from pulumi import Output, ResourceOptions

from infra.names import common_tags
from provision.config.environment import Environment, OperatingSystem, Purchase
from provision.config.farewell import heartbeat_s, hook_name

ROOT_DEVICE = {
    OperatingSystem.UBUNTU_2204: "/dev/sda1",
    OperatingSystem.UBUNTU_2404: "/dev/sda1",
    OperatingSystem.AL2023: "/dev/xvda",
    OperatingSystem.DEBIAN_12: "/dev/xvda",
}


@dataclass(frozen=True)
class FleetArgs:
    """Everything that a host needs to boot into the environment.

    User data runs once: *reached_at_boot* are the routes, rights and objects that it needs, which
    must be there before the first host is.
    """

    environment: Environment
    subnet_ids: Sequence[Output[str]]
    security_group_id: Output[str]
    instance_profile_arn: Output[str]
    target_group_arn: Output[str]
    public_key: str
    user_data: Output[str]
    reached_at_boot: Sequence[pulumi.Resource]


class Fleet(pulumi.ComponentResource):
    """A launch template, an Auto Scaling group of it, and the hook by which hosts say good-bye.

    A change of the template reaches hosts that boot later; those that run are left alone.
    """

    asg_name: Output[str]
    asg_arn: Output[str]

    def __init__(self, name: str, args: FleetArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("llm-fleet:infra:Fleet", name, None, opts)
        self._name, self._args = name, args
        group = self._group(self._template())
        self.asg_name, self.asg_arn = group.name, group.arn
        self._hook()
        self.register_outputs({"asg_name": self.asg_name})

    def _template(self) -> ec2.LaunchTemplate:
        environment = self._args.environment
        return ec2.LaunchTemplate(
            f"{self._name}-template",
            name=environment.prefix,
            image_id=environment.fleet.ami,
            instance_type=environment.fleet.instance_type,
            key_name=self._key_pair(),
            user_data=self._args.user_data.apply(
                lambda text: base64.b64encode(text.encode()).decode()
            ),
            iam_instance_profile=ec2.LaunchTemplateIamInstanceProfileArgs(
                arn=self._args.instance_profile_arn
            ),
            vpc_security_group_ids=[self._args.security_group_id],
            block_device_mappings=[self._root_volume()],
            metadata_options=ec2.LaunchTemplateMetadataOptionsArgs(
                http_endpoint="enabled",
                http_tokens="required",
                http_put_response_hop_limit=1,  # containers don't reach the host's role
            ),
            instance_market_options=self._market(),
            capacity_reservation_specification=self._reservation(),
            ebs_optimized="true",
            update_default_version=True,
            tag_specifications=[
                ec2.LaunchTemplateTagSpecificationArgs(resource_type=kind, tags=self._tags())
                for kind in ("instance", "volume", "network-interface")
            ],
            tags={"Name": environment.prefix},
            opts=ResourceOptions(parent=self),
        )

    def _key_pair(self) -> Output[str]:
        """The operator's public key: SSH comes through Session Manager, and is still SSH."""
        pair = ec2.KeyPair(
            f"{self._name}-operator",
            key_name=self._args.environment.prefix,
            public_key=self._args.public_key,
            tags={"Name": self._args.environment.prefix},
            opts=ResourceOptions(parent=self),
        )
        return pair.key_name

    def _root_volume(self) -> ec2.LaunchTemplateBlockDeviceMappingArgs:
        fleet = self._args.environment.fleet
        return ec2.LaunchTemplateBlockDeviceMappingArgs(
            device_name=ROOT_DEVICE[fleet.os],
            ebs=ec2.LaunchTemplateBlockDeviceMappingEbsArgs(
                volume_type="gp3",
                volume_size=fleet.root_volume_gib,
                # Under AWS's own key: with one of ours every launch fails until the group's
                # service role is granted it, and the root volume holds nothing of value.
                encrypted="true",
                delete_on_termination="true",
            ),
        )

    def _market(self) -> ec2.LaunchTemplateInstanceMarketOptionsArgs | None:
        fleet = self._args.environment.fleet
        if fleet.capacity_block:
            return ec2.LaunchTemplateInstanceMarketOptionsArgs(market_type="capacity-block")
        if fleet.purchase is Purchase.SPOT:
            return ec2.LaunchTemplateInstanceMarketOptionsArgs(
                market_type="spot",
                spot_options=ec2.LaunchTemplateInstanceMarketOptionsSpotOptionsArgs(
                    spot_instance_type="one-time"  # the only kind that a group can launch
                ),
            )
        return None

    def _reservation(self) -> ec2.LaunchTemplateCapacityReservationSpecificationArgs | None:
        reservation = self._args.environment.fleet.capacity_reservation_id
        if reservation is None:
            return None
        target = ec2.LaunchTemplateCapacityReservationSpecificationCapacityReservationTargetArgs(
            capacity_reservation_id=reservation
        )
        return ec2.LaunchTemplateCapacityReservationSpecificationArgs(
            capacity_reservation_target=target
        )

    def _group(self, template: ec2.LaunchTemplate) -> autoscaling.Group:
        environment = self._args.environment
        fleet = environment.fleet
        return autoscaling.Group(
            f"{self._name}-hosts",
            name=environment.prefix,
            min_size=fleet.hosts,
            desired_capacity=fleet.hosts,
            max_size=fleet.max_hosts or fleet.hosts,
            vpc_zone_identifiers=self._args.subnet_ids,
            launch_template=autoscaling.GroupLaunchTemplateArgs(
                id=template.id, version=template.latest_version.apply(str)
            ),
            target_group_arns=[self._args.target_group_arn],
            # A busy GPU misses health checks; only the agent may call its host dead.
            health_check_type="EC2",
            health_check_grace_period=0,
            # Hosts become healthy after the first deploy, which comes after this.
            wait_for_capacity_timeout="0",
            # A host moved to another zone would leave its cache volume behind.
            suspended_processes=["AZRebalance"],
            metrics_granularity="1Minute",
            enabled_metrics=[autoscaling.Metric.GROUP_IN_SERVICE_INSTANCES],
            tags=[
                autoscaling.GroupTagArgs(key=key, value=value, propagate_at_launch=True)
                for key, value in self._tags().items()
            ],
            # Rollouts suspend processes, and people scale: both at run time.
            opts=ResourceOptions(
                parent=self,
                depends_on=self._args.reached_at_boot,
                ignore_changes=["desired_capacity", "suspended_processes"],
            ),
        )

    def _hook(self) -> autoscaling.LifecycleHook:
        """A host that is ended is emptied first; its agent tells the group to go on."""
        environment = self._args.environment
        return autoscaling.LifecycleHook(
            f"{self._name}-leave",
            name=hook_name(environment),
            autoscaling_group_name=self.asg_name,
            lifecycle_transition="autoscaling:EC2_INSTANCE_TERMINATING",
            heartbeat_timeout=heartbeat_s(environment),
            default_result="CONTINUE",  # one whose agent is dead is ended all the same
            opts=ResourceOptions(parent=self),
        )

    def _tags(self) -> dict[str, str]:
        """All of them: default tags of the provider reach neither instances nor the group."""
        environment = self._args.environment
        return {**common_tags(environment), "Name": environment.prefix}
