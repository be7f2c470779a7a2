"""``fab deploy`` as a person types it: what it prints, asks, changes, and its exit codes."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import import_module

import pytest

from playbooks.session import Session
from provision.commands.command import Result
from provision.config.environment import ModelChoice
from provision.errors import CloudError, HostUnreachable, OutputsMissing
from provision.facts.host import HostFacts
from provision.testing import samples
from tests.playbooks.conftest import STREAMED, URL, WHOLE, Fleet


def test_a_whole_deploy_ends_with_an_answer(fleet: Fleet) -> None:
    """The plan, then progress on stderr, then the outcome; the release is current."""
    said = fleet.run("deploy", "--env", "test", "--yes")
    assert said.code == 0
    assert f"deploy {fleet.target.release.id} (mistral-7b) to test" in said.out
    assert "answer: 'Hi.', and 9 chunks when streamed" in said.out
    assert "== start" in said.err
    assert json.loads(fleet.cloud.objects["releases/current"]) == {
        "release": fleet.target.release.id
    }


def test_a_dry_run_changes_nothing(fleet: Fleet) -> None:
    """It prints the plan; nobody is asked, no host and no store is touched."""
    said = fleet.run("deploy", "--dry-run")
    assert said.code == 0
    assert "fill registry and bucket" in said.out
    assert (fleet.cloud.log, fleet.shell.log, fleet.http.asked) == ([], [], [])


def test_the_same_release_is_nothing_to_do(fleet: Fleet) -> None:
    """Exit 0, one friendly line, and no question; one command a host at most (the facts)."""
    fleet.run("deploy", "--yes")
    target = fleet.target
    fleet.facts = {name: samples.serving(target.release.id) for name in fleet.facts}
    fleet.cloud.images = {image.tag: "sha256:1" for image in target.images}
    fleet.cloud.objects[f"{target.weights_folder}/manifest.json"] = b'{"files": {}}'
    fleet.shell.log.clear()
    said = fleet.run("deploy")
    assert (said.code, said.out.splitlines()[-1]) == (0, "nothing to do")
    assert fleet.shell.log == []

    fleet.unreachable["i-2"] = HostUnreachable("i-2", "no route to host")
    assert fleet.run("deploy").code == 1  # nobody knows whether it lacks something


def test_json_is_all_that_is_on_stdout(fleet: Fleet) -> None:
    """The plan, then who did what, with times."""
    said = fleet.run("deploy", "--yes", "--json")
    assert sorted(said.json) == ["joined_meanwhile", "ok", "outcome", "plan", "way_back"]
    assert said.json["joined_meanwhile"] is None
    assert said.json["way_back"] is None
    assert said.json["ok"] is True
    assert [one["name"] for one in said.json["outcome"]["hosts"]] == ["i-1", "i-2"]
    assert said.json["outcome"]["streamed_chunks"] == 9


def test_nobody_there_to_say_yes(fleet: Fleet) -> None:
    """Without a terminal and without --yes: wrong usage, and nothing was changed."""
    said = fleet.run("deploy")
    assert said.code == 2
    assert "add --yes" in said.err
    assert fleet.cloud.log == []


@pytest.mark.parametrize("yes", [True, False])
def test_the_question(fleet: Fleet, monkeypatch: pytest.MonkeyPatch, yes: bool) -> None:
    """Yes goes on, anything else leaves everything as it was."""
    monkeypatch.setattr(import_module("playbooks.deploy"), "confirm", lambda _question: yes)
    assert fleet.run("deploy").code == 0
    assert bool(fleet.cloud.log) == yes


def test_a_model_named_on_the_command_line(fleet: Fleet) -> None:
    """--model replaces the environment's own, and clients ask for that name."""
    said = fleet.run("deploy", "--model", "qwen2.5-7b", "--yes")
    assert said.code == 0
    assert "(qwen2.5-7b)" in said.out
    assert {asked.body["model"] for asked in fleet.http.asked if asked.body} == {"qwen2.5-7b"}


def test_an_unknown_model(fleet: Fleet) -> None:
    """Exit 2, with the nearest name."""
    said = fleet.run("deploy", "--model", "mistral-7")
    assert said.code == 2
    assert "did you mean mistral-7b" in said.err


def test_an_unknown_environment(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 2, with the environments that there are."""
    monkeypatch.undo()
    said = fleet.run("deploy", "--env", "nope")
    assert said.code == 2
    assert "there is no environment 'nope'" in said.err
    assert "known environments: dev" in said.err


def test_a_model_that_does_not_fit(fleet: Fleet) -> None:
    """Exit 3 before anything is looked at or changed: needs, has, nearest that fits."""
    fleet.environment = replace(fleet.environment, model=ModelChoice("llama-3.1-70b"))
    said = fleet.run("deploy", "--yes")
    assert said.code == 3
    assert "does not fit on g5.xlarge" in said.err
    assert "the smallest type that fits is" in said.err
    assert fleet.shell.log == []


def test_a_gated_model_without_a_token(fleet: Fleet) -> None:
    """Exit 3, naming the secret to set."""
    fleet.cloud.secrets["llm-fleet/test/hub-token"] = None
    said = fleet.run("deploy", "--model", "llama-3.1-8b", "--yes")
    assert said.code == 3
    assert "put a token into the secret llm-fleet/test/hub-token" in said.err
    assert fleet.cloud.log == []


def test_an_environment_that_was_never_provisioned(fleet: Fleet) -> None:
    """The SSM output is missing: exit 1, and what to run first."""
    fleet.cloud.failures["outputs"] = OutputsMissing("no outputs", hint="run `pulumi up` first")
    said = fleet.run("deploy")
    assert (said.code, said.err.splitlines()[-1]) == (1, "  next: run `pulumi up` first")


def test_a_bucket_that_denies(fleet: Fleet) -> None:
    """S3 says no while looking: exit 1 with call, resource and next step."""
    fleet.cloud.failures["get_object"] = CloudError(
        "s3:get_object on s3://b/k failed: AccessDenied", hint="your role needs permission"
    )
    said = fleet.run("deploy")
    assert said.code == 1
    assert "AccessDenied" in said.err
    assert "your role needs permission" in said.err


def test_an_unreachable_host_fails_and_the_others_finish(fleet: Fleet) -> None:
    """Exit 1; the reachable host serves; current does not move."""
    fleet.unreachable["i-2"] = HostUnreachable("i-2", "no route to host")
    said = fleet.run("deploy", "--yes")
    assert said.code == 1
    assert "note: i-2 is left out: no route to host" in said.out
    assert "1 host(s) failed: i-2" in said.out
    assert any("apply" in line for line in fleet.shell.ran("i-1"))
    assert "releases/current" not in fleet.cloud.objects


def test_an_engine_that_never_gets_healthy(fleet: Fleet) -> None:
    """Exit 1 with host, reason, last log lines and where to look next."""
    failed = {"event": "failed", "t": 1, "reason": "engine died", "log": ["CUDA out of memory"]}
    fleet.shell.prepare("*wait*", Result(1, json.dumps(failed)), host="i-2")
    said = fleet.run("deploy", "--yes")
    assert said.code == 1
    assert "error: i-2: engine died" in said.out
    assert "| CUDA out of memory" in said.out
    assert "never began: finish" in said.out


def test_serving_hosts_are_not_restarted_at_once(fleet: Fleet) -> None:
    """One leaves traffic, is changed and comes back before the next one leaves."""
    fleet.facts = {name: samples.serving("r-000000000000") for name in fleet.facts}
    fleet.shell.prepare("*readlink*", Result(0, "r-000000000000\n"))
    assert fleet.run("deploy", "--yes").code == 0
    assert [line for line in fleet.cloud.log if "register " in line] == [
        "deregister i-1",
        "register i-1",
        "deregister i-2",
        "register i-2",
    ]
    assert "suspend Launch Terminate ReplaceUnhealthy" in fleet.cloud.log
    assert fleet.cloud.log[-1] == "resume Launch Terminate ReplaceUnhealthy"


def test_the_only_serving_host_needs_a_word(fleet: Fleet) -> None:
    """Exit 3 without --accept-downtime, and nothing was changed."""
    fleet.facts["i-1"] = samples.serving("r-000000000000")
    fleet.cloud.health = {"i-1": ["healthy"]}
    fleet.shell.prepare("*readlink*", Result(0, "r-000000000000\n"), host="i-1")
    refused = fleet.run("deploy", "--yes")
    assert refused.code == 3
    assert "with 1 away 0 would, and at least 1 must; nothing was changed" in refused.err
    assert fleet.cloud.log == []


def joining(fleet: Fleet, monkeypatch: pytest.MonkeyPatch, facts: HostFacts | Exception) -> None:
    """A third host joins just before the release becomes current."""
    put = fleet.cloud.put_object

    def put_and_join(key: str, data: bytes) -> None:
        if key == "releases/current":
            fleet.cloud.hosts = samples.hosts(3)
            fleet.cloud.health["i-3"] = ["healthy"]
            if isinstance(facts, HostFacts):
                fleet.facts["i-3"] = facts
            else:
                fleet.unreachable["i-3"] = facts
        put(key, data)

    monkeypatch.setattr(fleet.cloud, "put_object", put_and_join)
    fleet.shell.prepare("*readlink*", Result(0, "r-before\n"), host="i-3")
    fleet.http.prepare("POST", URL, WHOLE, STREAMED, WHOLE, STREAMED)


@pytest.mark.parametrize("flags", [(), ("--json",), ("--accept-downtime",)])
def test_a_host_that_joins_meanwhile_gets_the_release_too(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...]
) -> None:
    """It booted with what was current then: no second release stays in traffic."""
    joining(fleet, monkeypatch, samples.serving("r-before"))
    said = fleet.run("deploy", "--yes", *flags)
    assert said.code == 0
    applied = [line for line in fleet.shell.ran("i-3") if "apply" in line]
    assert [line.rpartition(" ")[2] for line in applied] == [fleet.target.release.id]
    assert sum("apply" in line for line in fleet.shell.log) == 3
    emptied = any("drain" in line for line in fleet.shell.ran("i-3"))
    assert emptied == ("--accept-downtime" not in flags)
    if "--json" in flags:
        assert [one["name"] for one in said.json["joined_meanwhile"]["hosts"]] == ["i-3"]
    else:
        assert "1 host(s) joined meanwhile with the release of before" in said.out


def test_when_it_can_not_take_the_release_the_deploy_failed(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 1, although all hosts of the plan serve: two releases are in traffic."""
    joining(fleet, monkeypatch, samples.serving("r-before"))
    failed = {"event": "failed", "t": 1, "reason": "no space left"}
    fleet.shell.prepare("*apply*", Result(1, json.dumps(failed)), host="i-3")
    said = fleet.run("deploy", "--yes")
    assert said.code == 1
    assert "error: i-3: no space left" in said.out


@pytest.mark.parametrize(
    "facts", [samples.facts(), HostUnreachable("i-3", "it published no host key yet")]
)
def test_a_host_that_still_boots_takes_current_by_itself(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, facts: HostFacts | Exception
) -> None:
    """It is no business of this deploy, and no fault."""
    joining(fleet, monkeypatch, facts)
    assert fleet.run("deploy", "--yes").code == 0
    assert fleet.shell.ran("i-3") == []


def test_some_hosts_leave_current_alone(fleet: Fleet) -> None:
    """--hosts deploys there, asks for an answer, and booting hosts keep their release."""
    said = fleet.run("deploy", "--hosts", "i-1", "--yes")
    assert said.code == 0
    assert fleet.shell.ran("i-2") == []
    assert "releases/current" not in fleet.cloud.objects


def test_a_host_that_is_not_there(fleet: Fleet) -> None:
    """Exit 2, with the hosts that are."""
    said = fleet.run("deploy", "--hosts", "i-9")
    assert said.code == 2
    assert "hosts are: i-1, i-2" in said.err


def test_a_session_closes_its_connections(fleet: Fleet) -> None:
    """Also after an error."""
    fleet.run("deploy", "--hosts", "i-9")
    assert fleet.shell.closing.is_set()
    assert isinstance(fleet.session(), Session)
