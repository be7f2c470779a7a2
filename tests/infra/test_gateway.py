"""The gateway: tasks that wait for their image, who reaches them, and what they may do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from provision.config.hosted import key_secrets
from provision.gateway import settings
from provision.render.front import gateway_name
from provision.render.gateway_image import gateway_image
from provision.render.gateway_task import statements
from tests.infra.away import Away
from tests.infra.scenes import ALL, AWAY, Scene, scene

ACCOUNT = "123456789012"


@pytest.fixture(params=AWAY)
def made(request: pytest.FixtureRequest) -> Scene:
    """Each environment with a way out in turn."""
    return scene(request.param)


@pytest.fixture
def away(made: Scene) -> Away:
    """What came of it."""
    assert made.live.away is not None
    return made.live.away


@pytest.mark.parametrize("name", [name for name in ALL if name not in AWAY])
def test_without_providers_there_is_nothing_of_it(name: str) -> None:
    """No cluster, no function, no table, no secret, no rule."""
    kinds = (
        "aws:ecs",
        "aws:lambda",
        "aws:dynamodb",
        "aws:servicediscovery",
        "aws:cloudwatch/event",
    )
    made = scene(name)
    assert not [d.key for d in made.provisioned.declared if d.type.startswith(kinds)]
    assert len(made.of(":ListenerRule")) == 2
    assert made.provisioned.outputs.fallback is None


class TestService:
    def test_is_empty_until_a_deploy_brings_the_image(self, made: Scene, away: Away) -> None:
        """The first `up` needs no image; later ones replace nobody who serves."""
        assert (away.service["desiredCount"], away.service["launchType"]) == (0, "FARGATE")
        declared = made.one("ecs/service:Service")
        assert declared.ignore_changes == ("desiredCount", "taskDefinition")
        assert declared.inputs["waitForSteadyState"] is False

    def test_never_has_fewer_tasks_than_wanted(self, made: Scene) -> None:
        """A new revision starts beside the old one, and a broken one goes back."""
        declared = made.one("ecs/service:Service").inputs
        assert declared["deploymentMinimumHealthyPercent"] == 100
        assert declared["deploymentMaximumPercent"] == 200
        assert declared["deploymentCircuitBreaker"] == {"enable": True, "rollback": True}

    def test_stands_in_two_private_subnets(self, made: Scene, away: Away) -> None:
        """In those of the hosts, without an address of its own."""
        network = away.service["networkConfiguration"]["awsvpcConfiguration"]
        group = made.live.security_groups[f"{made.environment.prefix}-gateway"]["GroupId"]
        assert len(set(network["subnets"])) == 2
        assert network["securityGroups"] == [group]
        assert network["assignPublicIp"] == "DISABLED"

    def test_takes_traffic_from_the_load_balancer_through_its_front(
        self, made: Scene, away: Away
    ) -> None:
        """In the group that the switch moves traffic to, and only when a rule leads there."""
        (balanced,) = away.service["loadBalancers"]
        assert balanced["targetGroupArn"] == made.provisioned.outputs.fallback_target_group_arn
        assert (balanced["containerName"], balanced["containerPort"]) == ("front", 8000)
        rule = "aws:lb/listenerRule:ListenerRule::load-balancer-traffic"
        assert rule in made.one("ecs/service:Service").depends_on

    def test_has_the_name_that_the_fronts_of_hosts_know(self, made: Scene, away: Away) -> None:
        """One name for all tasks."""
        assert away.names == [gateway_name(made.environment)]
        assert len(away.service["serviceRegistries"]) == 1

    def test_nobody_gets_into_a_container(self, made: Scene) -> None:
        """It holds the providers' keys."""
        assert made.one("ecs/service:Service").inputs["enableExecuteCommand"] is False


class TestTask:
    def test_has_the_environment_s_own_images(self, made: Scene, away: Away) -> None:
        """By the tags under which a deploy brings them; the front is the hosts' one."""
        repository = made.provisioned.outputs.repository_url
        gateway, front = away.task["containerDefinitions"]
        assert gateway["image"] == gateway_image(made.environment, repository)["target"]
        assert front["image"].startswith(f"{repository}:front-")

    def test_is_as_large_as_said(self, made: Scene, away: Away) -> None:
        """On the processors for which a GPU host builds."""
        fallback = made.environment.fallback
        sizes = (away.task["cpu"], away.task["memory"])
        assert sizes == (str(fallback.task_cpu), str(fallback.task_memory_mib))
        assert away.task["runtimePlatform"]["cpuArchitecture"] == "X86_64"

    def test_is_told_what_the_program_reads(self, made: Scene, away: Away) -> None:
        """And no secret is in it."""
        told = variables(away.task["containerDefinitions"][0])["GATEWAY"]
        read = settings.parse(told)
        assert [one.name for one in read.providers] == list(made.environment.fallback.providers)
        assert read.caps.table == made.provisioned.outputs.fallback.spend_table  # type: ignore[union-attr]
        assert "sk-" not in told

    def test_writes_to_a_log_that_ends(self, made: Scene, away: Away) -> None:
        """Both containers, into a group with the environment's retention."""
        group = made.provisioned.outputs.fallback.gateway_log_group  # type: ignore[union-attr]
        for container in away.task["containerDefinitions"]:
            assert container["logConfiguration"]["options"]["awslogs-group"] == group
        assert away.retention[group] == made.environment.observability.log_retention_days

    def test_revisions_before_stay(self, made: Scene) -> None:
        """Tasks run by them until a deploy moves the service."""
        assert made.one(":TaskDefinition").inputs["skipDestroy"] is True


class TestRights:
    def test_a_task_may_what_its_author_wrote(self, made: Scene) -> None:
        """Statement by statement."""
        found = [s for name, s in made.policies() if name == "gateway-task"]
        assert found == statements(made.environment, account_id=ACCOUNT)

    def test_ecs_pulls_and_logs_and_that_is_all(self, made: Scene) -> None:
        """Of one repository, into one group."""
        prefix, arn = made.environment.prefix, "arn:aws"
        log = f"/llm-fleet/{made.environment.name}/gateway"
        assert [s for name, s in made.policies() if name == "gateway-execution"] == [
            {
                "Sid": "Pull",
                "Effect": "Allow",
                "Action": [
                    "ecr:BatchGetImage",
                    "ecr:GetDownloadUrlForLayer",
                    "ecr:BatchCheckLayerAvailability",
                ],
                "Resource": [f"{arn}:ecr:us-east-1:{ACCOUNT}:repository/{prefix}"],
            },
            {
                "Sid": "RegistryToken",
                "Effect": "Allow",
                "Action": ["ecr:GetAuthorizationToken"],
                "Resource": ["*"],
            },
            {
                "Sid": "Logs",
                "Effect": "Allow",
                "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                "Resource": [f"{arn}:logs:us-east-1:{ACCOUNT}:log-group:{log}:*"],
            },
        ]

    def test_only_ecs_takes_the_roles(self, made: Scene) -> None:
        """Nobody else, and the task does not have the rights of who starts it."""
        roles = [made.one(":Role", f"gateway-{name}").inputs for name in ("execution", "task")]
        for role in roles:
            (statement,) = json.loads(role["assumeRolePolicy"])["Statement"]
            assert statement["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
        assert roles[0]["name"] != roles[1]["name"]

    def test_providers_keys_have_places_that_hosts_may_not_read(self, made: Scene) -> None:
        """Named as the gateway looks for them; empty until a person fills them."""
        wanted = set(key_secrets(made.environment).values())
        names = {d.inputs["name"] for d in made.of(":Secret")}
        (reads,) = [s for n, s in made.policies() if (n, s["Sid"]) == ("identity-host", "Secrets")]
        assert wanted <= names
        assert not any(secret in arn for secret in wanted for arn in reads["Resource"])


class TestFirewall:
    def test_the_front_is_reached_by_load_balancer_and_hosts_only(self, made: Scene) -> None:
        """From groups, at one port."""
        groups = {g["GroupId"]: name for name, g in made.live.security_groups.items()}
        prefix = f"{made.environment.prefix}-"
        own = made.live.security_groups[f"{prefix}gateway"]
        sources = {
            groups[pair["GroupId"]].removeprefix(prefix)
            for permission in own["IpPermissions"]
            for pair in permission["UserIdGroupPairs"]
        }
        assert sources == {"load-balancer", "hosts"}
        assert {p["FromPort"] for p in own["IpPermissions"]} == {8000}
        assert not any(p["IpRanges"] for p in own["IpPermissions"])

    @pytest.mark.parametrize(
        ("name", "ways"),
        [
            ("hosted", {(443, "0.0.0.0/0"), (6380, "10.40.0.0/16")}),
            ("isolated", {(443, "10.40.0.0/16"), (443, "dynamodb"), (443, "s3")}),
        ],
    )
    def test_it_goes_out_where_it_must(self, name: str, ways: set[tuple[int, str]]) -> None:
        """To hosted APIs and a Redis; without NAT to AWS alone."""
        rules = [
            rule.inputs
            for rule in scene(name).of(":SecurityGroupEgressRule")
            if rule.name.startswith("fallback-firewall-gateway")
        ]
        found = {(r["fromPort"], r.get("cidrIpv4") or r["description"]) for r in rules}
        assert found == ways


def test_without_nat_what_it_needs_has_endpoints() -> None:
    """The counter through a gateway endpoint, which is free; Bedrock and people through others."""
    made = scene("isolated")
    services = {d.inputs["serviceName"].split(".", 3)[-1] for d in made.of(":VpcEndpoint")}
    assert {"dynamodb", "bedrock-runtime", "sns", "logs", "secretsmanager"} <= services
    assert "bedrock-runtime" not in {
        d.inputs["serviceName"].split(".", 3)[-1] for d in scene("public").of(":VpcEndpoint")
    }


def test_tables_are_on_demand_and_answers_expire() -> None:
    """What was spent is kept, old answers are not."""
    away = scene("hosted").live.away
    assert away is not None
    assert set(away.tables) == {"spend", "stale"}
    for table in away.tables.values():
        assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
        assert table["KeySchema"] == [{"AttributeName": "pk", "KeyType": "HASH"}]
    assert away.tables["stale"]["ttl"] == {
        "TimeToLiveStatus": "ENABLED",
        "AttributeName": "expires",
    }
    assert away.tables["spend"]["ttl"]["TimeToLiveStatus"] == "DISABLED"


def variables(container: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container["environment"]}
