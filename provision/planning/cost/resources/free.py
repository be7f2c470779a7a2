"""Types that AWS does not bill, or bills as part of another resource, each with the reason."""

from __future__ import annotations

from collections.abc import Mapping

_NETWORK = "AWS does not bill it"
_IAM = "IAM is free"
_S3 = "a setting of the bucket"
_LB = "part of the load balancer, whose capacity units count what it does"
_COMPONENT = "a group of resources in the program; nothing in AWS"

FREE: Mapping[str, str] = {
    "pulumi:providers:aws": "how Pulumi reaches AWS",
    "llm-fleet:infra:Encryption": _COMPONENT,
    "llm-fleet:infra:Endpoints": _COMPONENT,
    "llm-fleet:infra:FallbackFirewall": _COMPONENT,
    "llm-fleet:infra:Firewall": _COMPONENT,
    "llm-fleet:infra:Fleet": _COMPONENT,
    "llm-fleet:infra:Identity": _COMPONENT,
    "llm-fleet:infra:LoadBalancer": _COMPONENT,
    "llm-fleet:infra:Network": _COMPONENT,
    "llm-fleet:infra:Published": _COMPONENT,
    "llm-fleet:infra:Registry": _COMPONENT,
    "llm-fleet:infra:Storage": _COMPONENT,
    "llm-fleet:infra:Tables": _COMPONENT,
    "llm-fleet:infra:Budget": _COMPONENT,
    "aws:autoscaling/lifecycleHook:LifecycleHook": "a setting of the group",
    "aws:budgets/budget:Budget": "a budget without actions is free",
    "aws:cloudwatch/eventRule:EventRule": (
        "14 million calls of schedules a month are free for ever; this one makes 43,800"
    ),
    "aws:cloudwatch/eventTarget:EventTarget": "part of the schedule",
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": _NETWORK,
    "aws:ec2/internetGateway:InternetGateway": "only what passes it is billed",
    "aws:ec2/keyPair:KeyPair": "a public key is free",
    "aws:ec2/launchTemplate:LaunchTemplate": "billed as the hosts of the group that uses it",
    "aws:ec2/route:Route": _NETWORK,
    "aws:ec2/routeTable:RouteTable": _NETWORK,
    "aws:ec2/routeTableAssociation:RouteTableAssociation": _NETWORK,
    "aws:ec2/securityGroup:SecurityGroup": _NETWORK,
    "aws:ec2/subnet:Subnet": _NETWORK,
    "aws:ec2/vpc:Vpc": _NETWORK,
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": "a setting of the repository",
    "aws:ecs/cluster:Cluster": "a name for services; its tasks are billed",
    "aws:ecs/taskDefinition:TaskDefinition": "billed as the tasks of the service",
    "aws:iam/instanceProfile:InstanceProfile": _IAM,
    "aws:iam/role:Role": _IAM,
    "aws:iam/rolePolicy:RolePolicy": _IAM,
    "aws:kms/alias:Alias": "part of the key",
    "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig": "a setting of the function",
    "aws:lambda/permission:Permission": "a setting of the function",
    "aws:lb/listener:Listener": _LB,
    "aws:lb/listenerRule:ListenerRule": _LB,
    "aws:lb/targetGroup:TargetGroup": _LB,
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": _S3,
    "aws:s3/bucketObject:BucketObject": "less than a megabyte in the bucket",
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": _S3,
    "aws:s3/bucketPolicy:BucketPolicy": _S3,
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": _S3,
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": _S3,
    "aws:s3/bucketVersioning:BucketVersioning": _S3,
    "aws:servicediscovery/service:Service": (
        "ECS registers its tasks free of charge; the zone and questions for its names are billed"
    ),
    "aws:sns/topic:Topic": "a million messages a month are free for ever, alarms send a few",
    "aws:sns/topicPolicy:TopicPolicy": "part of the topic",
    "aws:sns/topicSubscription:TopicSubscription": "a thousand e-mails a month are free for ever",
    "aws:ssm/parameter:Parameter": "standard parameters are free",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": _NETWORK,
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": _NETWORK,
}
