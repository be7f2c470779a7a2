"""AWS as a host sees it."""

from __future__ import annotations

import importlib.util

import pytest
from botocore.stub import Stubber

from provision.agent.cloud import Cloud, keys_from
from provision.agent.docker import registry_of
from provision.agent.errors import AgentError, CloudUnreachable
from provision.agent.settings import Hook, HostSettings
from tests.agent.conftest import World, host_json


class TestCloud:
    def test_missing_is_none_not_an_error(self, world: World) -> None:
        """Objects and secrets that are not there yet."""
        assert world.host.cloud.get_object("releases/current") is None
        assert world.host.cloud.secret("/llm-fleet/test/nope") is None

    def test_a_parameter_is_created_once(self, world: World) -> None:
        """And never overwritten."""
        assert world.host.cloud.create_parameter("/llm-fleet/test/a", "one")
        assert not world.host.cloud.create_parameter("/llm-fleet/test/a", "two")

    def test_denied_names_the_call_and_the_role(self) -> None:
        """What was tried, and that the role is to blame."""
        cloud = Cloud(HostSettings.parse(host_json()))
        stubber = Stubber(cloud.client("ssm"))
        stubber.add_client_error("put_parameter", "AccessDeniedException", "no", 400)
        with stubber, pytest.raises(CloudUnreachable, match="create the parameter /a") as caught:
            cloud.create_parameter("/a", "b")
        assert "role" in caught.value.hint

    def test_a_login_for_the_registry(self, world: World) -> None:
        """Host name and password, ready for docker login."""
        registry, password = world.host.cloud.registry_login()
        assert registry.endswith(".amazonaws.com")
        assert password

    def test_lent_keys_are_used_instead_of_the_role(self) -> None:
        """The operator's, for as long as they last."""
        keys = keys_from({"access_key_id": "A", "secret_access_key": "S", "session_token": "T"})
        client = Cloud(HostSettings.parse(host_json())).with_keys(keys).client("s3")
        assert client._request_signer._credentials.access_key == "A"

    def test_back_into_traffic(self) -> None:
        """Registered in the environment's own group, on the group's port."""
        cloud = Cloud(HostSettings.parse({**host_json(), "target_group_arn": "arn:targets"}))
        stubber = Stubber(cloud.client("elbv2"))
        wanted = {"TargetGroupArn": "arn:targets", "Targets": [{"Id": "i-1"}]}
        stubber.add_response("register_targets", {}, wanted)
        with stubber:
            cloud.enter_traffic("i-1")
        stubber.assert_no_pending_responses()

    def test_out_of_traffic(self) -> None:
        """By its name alone; one that is out already is no error."""
        cloud = Cloud(HostSettings.parse({**host_json(), "target_group_arn": "arn:targets"}))
        stubber = Stubber(cloud.client("elbv2"))
        wanted = {"TargetGroupArn": "arn:targets", "Targets": [{"Id": "i-1"}]}
        stubber.add_response("deregister_targets", {}, wanted)
        stubber.add_client_error("deregister_targets", "InvalidTarget", "it is not there", 400)
        with stubber:
            cloud.leave_traffic("i-1")
            cloud.leave_traffic("i-1")
        stubber.assert_no_pending_responses()

    def test_the_group_may_go_on(self) -> None:
        """True when it waited; before and after that AWS knows no such action."""
        cloud = Cloud(HostSettings.parse(host_json()))
        stubber = Stubber(cloud.client("autoscaling"))
        wanted = {
            "AutoScalingGroupName": "g",
            "LifecycleHookName": "h",
            "InstanceId": "i-1",
            "LifecycleActionResult": "CONTINUE",
        }
        why = "No active Lifecycle Action found with instance ID i-1"
        stubber.add_client_error("complete_lifecycle_action", "ValidationError", why, 400)
        stubber.add_response("complete_lifecycle_action", {}, wanted)
        stubber.add_client_error("complete_lifecycle_action", "AccessDenied", "no", 403)
        with stubber:
            assert not cloud.complete_lifecycle("g", "h", "i-1")
            assert cloud.complete_lifecycle("g", "h", "i-1")
            with pytest.raises(CloudUnreachable, match="can't let g end i-1"):
                cloud.complete_lifecycle("g", "h", "i-1")

    def test_a_host_calls_itself_unhealthy(self) -> None:
        """At once: there is no grace for one that is beyond repair."""
        cloud = Cloud(HostSettings.parse(host_json()))
        stubber = Stubber(cloud.client("autoscaling"))
        wanted = {
            "InstanceId": "i-1",
            "HealthStatus": "Unhealthy",
            "ShouldRespectGracePeriod": False,
        }
        stubber.add_response("set_instance_health", {}, wanted)
        with stubber:
            cloud.call_unhealthy("i-1")
        stubber.assert_no_pending_responses()

    def test_a_host_that_does_not_know_its_group(self) -> None:
        """Says what to type."""
        with pytest.raises(AgentError, match="names no target group") as caught:
            Cloud(HostSettings.parse(host_json())).enter_traffic("i-1")
        assert "rolling-restart" in caught.value.hint

    def test_a_host_without_boto3(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The package to install, instead of a traceback."""
        monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
        with pytest.raises(AgentError, match="boto3 is not installed"):
            Cloud(HostSettings.parse(host_json())).client("s3")


@pytest.mark.parametrize(
    ("image", "registry"),
    [
        ("vllm/vllm-openai:v0.32.0", ""),
        ("nginx:1.28.0", ""),
        (
            "111122223333.dkr.ecr.us-east-1.amazonaws.com/a:b",
            "111122223333.dkr.ecr.us-east-1.amazonaws.com",
        ),
        ("localhost/a", "localhost"),
        ("registry:5000/a", "registry:5000"),
    ],
)
def test_the_registry_in_an_image_name(image: str, registry: str) -> None:
    """As Docker reads it."""
    assert registry_of(image) == registry


def test_the_hook_in_host_json() -> None:
    """Named, with its time; hosts made by an older program know of none."""
    hook = {"group": "llm-fleet-test", "name": "llm-fleet-test-leave", "heartbeat_s": 390}
    settings = HostSettings.parse({**host_json(), "hook": hook})
    assert settings.hook == Hook("llm-fleet-test", "llm-fleet-test-leave", 390.0)
    assert HostSettings.parse(host_json()).hook is None


@pytest.mark.parametrize(
    "key", ["environment", "region", "bucket", "parameter_root", "secret_root"]
)
def test_host_json_that_lacks_a_key(key: str) -> None:
    """The key is named."""
    document = host_json()
    del document[key]
    with pytest.raises(AgentError, match=f"host.json lacks '{key}'"):
        HostSettings.parse(document)
