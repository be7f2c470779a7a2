"""Every task on a fleet that serves: nothing restarts, nobody notices."""

from __future__ import annotations

import json

import pytest

from tests.lab.fleet.standing import Fleet

pytestmark = pytest.mark.lab


class TestDeployAgain:
    def test_is_nothing_to_do(self, fleet: Fleet) -> None:
        """Exit 0, and hosts see at most three SSH commands, counted by their own sshd."""
        counted = "/run/ssh-sessions"
        for host in fleet.said["hosts"]:
            # sshd runs this once for every session, subsystems included.
            fleet.inside(host, f"echo 'echo one >>{counted}' >/etc/ssh/sshrc; rm -f {counted}")

        done = fleet.fab("deploy", "--yes")

        assert done.code == 0, str(done)
        assert "nothing to do" in done.out
        for host in fleet.said["hosts"]:
            sessions = int(fleet.inside(host, f"wc -l <{counted}; rm /etc/ssh/sshrc"))
            assert 1 <= sessions <= 3

    def test_an_image_that_the_registry_lost_is_put_back(self, fleet: Fleet) -> None:
        """Mirrored again through one host; no engine restarts."""
        repository = fleet.cloud.outputs().repository_url.partition("/")[2]
        ecr = fleet.aws("ecr")
        images = ecr.list_images(repositoryName=repository)["imageIds"]
        (front,) = [one["imageTag"] for one in images if one["imageTag"].startswith("front-")]
        ecr.batch_delete_image(repositoryName=repository, imageIds=[{"imageTag": front}])
        started = [fleet.agent(host)["replicas"][0]["started_at"] for host in fleet.said["hosts"]]

        done = fleet.fab("deploy", "--yes", "--json")

        assert done.code == 0, str(done)
        assert fleet.cloud.image_digest(front) is not None
        steps = [step["step"] for host in done.json["outcome"]["hosts"] for step in host["done"]]
        assert steps == [f"mirror {front}"]
        assert started == [
            fleet.agent(host)["replicas"][0]["started_at"] for host in fleet.said["hosts"]
        ]


class TestLooking:
    def test_status(self, fleet: Fleet) -> None:
        """The fixed JSON, and a table with where clients go."""
        shown = {
            name: [row[name] for row in fleet.fab("status", "--json").json]
            for name in ("name", "release", "model", "health", "in_traffic")
        }
        text = fleet.fab("status")

        assert shown == {
            "name": list(fleet.said["hosts"]),
            "release": [fleet.said["release"]] * 2,
            "model": ["mistral-7b"] * 2,
            "health": ["ready"] * 2,
            "in_traffic": [True, True],
        }
        assert text.code == 0
        assert f"2 of 2 in traffic at {fleet.said['endpoint']}" in text.out

    def test_logs(self, fleet: Fleet) -> None:
        """Engine, front and agent of every host; a client's key is in none of them."""
        asked = fleet.ask()

        done = fleet.fab("logs", "--since", "5m", "--lines", "1000")

        assert done.code == 0, str(done)
        assert asked.id in done.out
        assert all(host in done.out for host in fleet.said["hosts"])
        assert fleet.said["api_key"] not in done.out

    def test_doctor(self, fleet: Fleet) -> None:
        """Every check passes on hosts that serve."""
        done = fleet.fab("doctor", "--json")

        assert done.code == 0, str(done)
        assert done.json["ok"] is True
        assert [one["name"] for one in done.json["checked"]] == list(fleet.said["hosts"])

    def test_doctor_names_what_the_gpu_lacks(self, fleet: Fleet) -> None:
        """A driver that is gone on one host: cause and command, and the other host is well."""
        sick, well = fleet.said["hosts"]
        fleet.world.gpu_mode(sick, "no-driver")
        try:
            done = fleet.fab("doctor", "--json")
        finally:
            fleet.world.gpu_mode(sick, "ok")

        assert done.code == 1, str(done)
        failed = {
            one["name"]: [check for check in one["checks"] if check["state"] == "failed"]
            for one in done.json["checked"]
        }
        assert failed[well] == []
        assert failed[sick]
        assert all(check["cause"] and check["command"] for check in failed[sick])

    def test_benchmark(self, fleet: Fleet) -> None:
        """Measured beside the engine; the result is kept in the bucket."""
        mix = ("--input-tokens", "64", "--output-tokens", "8")

        done = fleet.fab("benchmark", *mix, "--concurrency", "2", "--json")

        assert done.code == 0, str(done)
        kept = fleet.cloud.get_object(done.json["key"])
        assert kept is not None
        assert json.loads(kept)["release"] == fleet.said["release"]
        assert [level["clients"] for level in done.json["levels"]] == [2]
        assert all(level["completed"] and not level["failed"] for level in done.json["levels"])


class TestNotProvisioned:
    @pytest.mark.parametrize("task", ["status", "deploy"])
    def test_outputs_that_are_missing(self, fleet: Fleet, task: str) -> None:
        """The next step is `pulumi up`."""
        ssm, name = fleet.aws("ssm"), f"{fleet.environment.parameter_root}/outputs"
        kept = ssm.get_parameter(Name=name)["Parameter"]
        ssm.delete_parameter(Name=name)
        try:
            done = fleet.fab(task)
        finally:
            ssm.put_parameter(Name=name, Value=kept["Value"], Type=kept["Type"])

        assert done.code == 1
        assert "pulumi up" in done.err
