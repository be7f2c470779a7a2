"""The gateway's service: ECS as moto has it, and botocore's model of ECS where moto has no word."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from provision.connectors.gateway import AwsGateway
from provision.connectors.protocols import TargetHealth
from provision.errors import CloudError, OutputsMissing
from provision.facts.gateway import ServiceNow, TaskDefinition
from provision.testing import samples

CLUSTER, FAMILY = "llm-fleet-test", "llm-fleet-test-gateway"
WHERE = {"cluster": CLUSTER, "services": ["gateway"]}
ARN = f"arn:aws:ecs:us-east-1:123456789012:task-definition/{FAMILY}"
OUTPUTS = replace(samples.outputs(), fallback=samples.fallback_outputs())
SECRET = "llm-fleet/test/openai-api-key"


@pytest.fixture(autouse=True)
def aws() -> Iterator[None]:
    """An empty account."""
    with mock_aws():
        yield


@pytest.fixture
def gateway() -> AwsGateway:
    return AwsGateway(samples.environment(), lambda: OUTPUTS)


def client(service: str) -> Any:
    return boto3.client(service, region_name="us-east-1")  # type: ignore[call-overload]


def describe(image: str) -> str:
    """Another revision, as `pulumi up` registers it; its ARN."""
    containers = [
        {
            "name": "gateway",
            "image": image,
            "environment": [{"name": "GATEWAY", "value": "{}"}],
        },
        {
            "name": "front",
            "image": "nginx",
            "environment": [{"name": "NGINX_CONF", "value": "events {}"}],
        },
    ]
    made = client("ecs").register_task_definition(
        family=FAMILY, containerDefinitions=containers, cpu="1024", memory="2048"
    )
    return str(made["taskDefinition"]["taskDefinitionArn"])


def provisioned() -> str:
    """A cluster and a service without tasks; the ARN of the first revision."""
    first = describe("image:1")
    ecs = client("ecs")
    ecs.create_cluster(clusterName=CLUSTER)
    ecs.create_service(cluster=CLUSTER, serviceName="gateway", taskDefinition=first, desiredCount=0)
    return first


class TestDefinitions:
    def test_the_newest_is_what_was_described_last(self, gateway: AwsGateway) -> None:
        """Its images by container, and what the containers are told."""
        describe("image:1")
        second = describe("image:2")
        assert gateway.newest() == TaskDefinition(
            second,
            {"gateway": "image:2", "front": "nginx"},
            {"GATEWAY": "{}", "NGINX_CONF": "events {}"},
        )
        assert gateway.newest().name == f"{FAMILY}:2"

    def test_an_older_one_by_its_arn(self, gateway: AwsGateway) -> None:
        """As the service names it."""
        first = describe("image:1")
        describe("image:2")
        assert gateway.definition(first).images["gateway"] == "image:1"

    def test_none_was_ever_described(self, gateway: AwsGateway) -> None:
        """The way on is `pulumi up`."""
        with pytest.raises(CloudError, match=f"there is no task definition {FAMILY}") as error:
            gateway.newest()
        assert error.value.hint == "run `pulumi up -s test` first: it makes one"


class TestService:
    def test_a_move_is_what_shall_run(self, gateway: AwsGateway) -> None:
        """Revision and number of tasks in one call."""
        first = provisioned()
        second = describe("image:2")
        assert (gateway.service().definition, gateway.service().desired) == (first, 0)
        gateway.move(second, 2)
        now = gateway.service()
        assert (now.definition, now.desired, now.running) == (second, 2, 2)

    def test_there_is_none(self, gateway: AwsGateway) -> None:
        """One that was deleted is shown for a while, and is none."""
        provisioned()
        client("ecs").delete_service(cluster=CLUSTER, service="gateway", force=True)
        with pytest.raises(CloudError, match=f"there is no service gateway in {CLUSTER}") as error:
            gateway.service()
        assert error.value.hint == "run `pulumi up -s test` first: it makes one"

    def test_there_is_no_cluster(self, gateway: AwsGateway) -> None:
        """The same way on."""
        with pytest.raises(CloudError, match="ClusterNotFoundException") as error:
            gateway.service()
        assert "pulumi up" in error.value.hint

    def test_the_environment_was_never_brought_up_with_a_fallback(self) -> None:
        """The file has one, the outputs don't."""
        gateway = AwsGateway(samples.environment(), samples.outputs)
        with pytest.raises(OutputsMissing, match="a fallback that was never made") as error:
            gateway.service()
        assert error.value.hint == "run `pulumi up -s test` first"

    @pytest.mark.parametrize(
        ("deployments", "replacing", "rollout", "reason"),
        [
            ([], False, None, ""),
            ([("PRIMARY", "COMPLETED", "ECS deployment completed.")], False, "COMPLETED", None),
            (
                [("PRIMARY", "IN_PROGRESS", "it goes on"), ("ACTIVE", "COMPLETED", "")],
                True,
                "IN_PROGRESS",
                "it goes on",
            ),
        ],
    )
    def test_how_it_stands(
        self,
        gateway: AwsGateway,
        deployments: list[tuple[str, str, str]],
        replacing: bool,
        rollout: str | None,
        reason: str | None,
    ) -> None:
        """In the words of ECS, which moto does not have; botocore's model checks both."""
        service = {
            "status": "ACTIVE",
            "taskDefinition": f"{ARN}:2",
            "desiredCount": 2,
            "runningCount": 1,
            "deployments": [
                {"status": status, "rolloutState": state, "rolloutStateReason": why}
                for status, state, why in deployments
            ],
            "events": [
                {"id": "2", "createdAt": datetime.now(UTC), "message": "(service gateway) newest"},
                {"id": "1", "createdAt": datetime.now(UTC), "message": "(service gateway) older"},
            ],
        }
        with Stubber(gateway._aws.client("ecs")) as ecs:
            ecs.add_response("describe_services", {"services": [service]}, WHERE)
            assert gateway.service() == ServiceNow(
                definition=f"{ARN}:2",
                desired=2,
                running=1,
                replacing=replacing,
                rollout=rollout,
                reason=deployments[0][2] if reason is None else reason,
                events=("(service gateway) newest", "(service gateway) older"),
            )

    def test_steady_is_the_right_revision_in_the_right_number_and_nothing_else(self) -> None:
        """A task of before that still goes, or a change that failed, is not."""
        now = ServiceNow(f"{ARN}:2", 2, 2, rollout="COMPLETED")
        assert now.steady(f"{ARN}:2", 2)
        assert not now.steady(f"{ARN}:3", 2)
        assert not now.steady(f"{ARN}:2", 3)
        for change in ({"running": 1}, {"replacing": True}, {"rollout": "FAILED"}):
            assert not replace(now, **change).steady(f"{ARN}:2", 2)


class TestTasks:
    def test_healthy_is_the_load_balancer_s_word(self, gateway: AwsGateway) -> None:
        """A task is known by its address."""
        arn = OUTPUTS.fallback_target_group_arn
        states = [("10.40.9.1", "healthy", None), ("10.40.9.2", "initial", "it was just added")]
        entries = [
            {
                "Target": {"Id": address, "Port": 8080},
                "TargetHealth": {"State": state, **({"Description": why} if why else {})},
            }
            for address, state, why in states
        ]
        with Stubber(gateway._aws.client("elbv2")) as elb:
            answer = {"TargetHealthDescriptions": entries}
            elb.add_response("describe_target_health", answer, {"TargetGroupArn": arn})
            assert gateway.targets() == (
                TargetHealth("10.40.9.1", "healthy", ""),
                TargetHealth("10.40.9.2", "initial", "it was just added"),
            )

    def test_why_tasks_ended(self, gateway: AwsGateway) -> None:
        """Containers say more than the task; the same reason is said once."""
        asked: dict[str, Any] = {"cluster": CLUSTER, "serviceName": "gateway"}
        asked |= {"desiredStatus": "STOPPED", "maxResults": 10}
        full = "OutOfMemoryError: Container killed due to memory usage"
        tasks = [
            {
                "stoppedReason": "Essential container in task exited",
                "containers": [{"name": "gateway", "reason": full}, {"name": "front"}],
            },
            {"stoppedReason": "Scaling activity initiated by deployment ecs-svc/1"},
            {"stoppedReason": "Scaling activity initiated by deployment ecs-svc/1"},
            {},
        ]
        with Stubber(gateway._aws.client("ecs")) as ecs:
            names = [f"arn:task/{number}" for number in range(4)]
            ecs.add_response("list_tasks", {"taskArns": names}, asked)
            ecs.add_response(
                "describe_tasks", {"tasks": tasks}, {"cluster": CLUSTER, "tasks": names}
            )
            assert gateway.stopped() == (
                f"gateway: {full}",
                "Scaling activity initiated by deployment ecs-svc/1",
            )

    def test_none_ended_lately(self, gateway: AwsGateway) -> None:
        """ECS refuses to describe no task."""
        provisioned()
        assert gateway.stopped() == ()


class TestSecrets:
    def test_empty_filled_or_not_there(self, gateway: AwsGateway) -> None:
        """No value is read: who deploys needs no provider's key."""
        assert gateway.filled(SECRET) is None
        secrets = client("secretsmanager")
        secrets.create_secret(Name=SECRET)
        assert gateway.filled(SECRET) is False
        secrets.put_secret_value(SecretId=SECRET, SecretString="sk-1")
        assert gateway.filled(SECRET) is True

    def test_another_error_is_no_answer(self, gateway: AwsGateway) -> None:
        """Who may not look does not learn that the secret is missing."""
        with Stubber(gateway._aws.client("secretsmanager")) as stub:
            stub.add_client_error("describe_secret", "AccessDeniedException", "no")
            with pytest.raises(CloudError, match="AccessDenied") as error:
                gateway.filled(SECRET)
        assert "secretsmanager:DescribeSecret" in error.value.hint
