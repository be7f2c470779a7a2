"""``fab lock.status``, ``lock.break`` and ``history``, and what the lock means for a deploy."""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

import pytest

from provision.errors import CloudError
from provision.executor.lock_store import LockStore
from provision.planning import lock
from provision.planning.journal import Ending, Errand, Who
from provision.planning.lock import LOCK
from provision.planning.plan import Plan
from provision.testing import samples
from tests.playbooks.conftest import Fleet

BOB = Who("bob@desk", "arn:aws:iam::123456789012:user/bob")
WORK = Errand("deploy", "deploy r-2 (mistral-7b) to test", before=("r-1",), release="r-2")


def taken(fleet: Fleet) -> None:
    """Bob works on it."""
    LockStore(fleet.cloud).take(who=BOB, what=WORK, token="b1")


def ended(fleet: Fleet, ending: Ending = Ending.DONE) -> None:
    """Bob has finished."""
    store = LockStore(fleet.cloud)
    seen = store.look()
    assert seen.lock is not None
    store.write(lock.closed(seen.lock, ending, at=seen.at, error=None, by=None), seen.etag)


@pytest.fixture(autouse=True)
def me(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests type as one person at one machine."""
    monkeypatch.setattr("getpass.getuser", lambda: "anna")
    monkeypatch.setattr("socket.gethostname", lambda: "laptop.example.com")


class TestDeploy:
    def test_it_holds_the_lock_and_leaves_a_record(self, fleet: Fleet) -> None:
        """Who, what, how it ended; every step with its times; and the lock is free."""
        assert fleet.run("deploy", "--yes").code == 0
        assert fleet.run("lock.status", "--json").json["state"] == "free"
        (run,) = fleet.run("history", "--json").json
        assert (run["who"]["name"], run["ending"], run["epoch"]) == ("anna@laptop", "done", 1)
        assert run["who"]["identity"] == "arn:aws:iam::123456789012:user/anna"
        assert run["what"] == {
            "task": "deploy",
            "purpose": f"deploy {fleet.target.release.id} (mistral-7b) to test",
            "before": [],
            "release": fleet.target.release.id,
            "intent": None,
        }
        steps = [(entry["host"], entry["step"]) for entry in run["entries"]]
        assert ("i-1", f"start {fleet.target.release.id}") in steps
        assert steps[-1] == ("", f"make {fleet.target.release.id} current")
        assert all(entry["ended"] and not entry["failed"] for entry in run["entries"])

    def test_a_second_one_is_refused(self, fleet: Fleet) -> None:
        """Exit 3 with who, what, since when and what to type; nothing was changed."""
        taken(fleet)
        said = fleet.run("deploy", "--yes")
        assert said.code == 3
        assert "bob@desk (user/bob) works on test: deploy r-2 (mistral-7b) to test" in said.err
        assert "since 2027-01-15T08:00:00+00:00 (heard of 0 s ago); nothing was changed" in said.err
        assert "`fab lock.break --env test` ends it now" in said.err
        assert (fleet.cloud.log, fleet.shell.log) == ([], [])

    @pytest.mark.parametrize("task", ["setup", "rolling-restart"])
    def test_other_tasks_that_change_hosts(self, fleet: Fleet, task: str) -> None:
        """They take it, too."""
        fleet.facts = {
            name: samples.serving("r-1", docker_version=None, toolkit_version=None)
            for name in fleet.facts
        }
        taken(fleet)
        assert fleet.run(task, "--yes").code == 3
        assert fleet.shell.log == []

    @pytest.mark.parametrize(
        "words",
        [("deploy", "--dry-run"), ("status",), ("lock.status",), ("history",)],
        ids=lambda words: words[0],
    )
    def test_looking_takes_no_lock(self, fleet: Fleet, words: tuple[str, ...]) -> None:
        """Whoever holds it: the answer is given, and the bucket stays as it was."""
        taken(fleet)
        before = dict(fleet.cloud.objects)
        assert fleet.run(*words).code == 0
        assert fleet.cloud.objects == before

    def test_who_is_at_work_is_named_before_anybody_is_asked(
        self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The question comes with it; so does a dry run, also where the lock may not be seen."""
        taken(fleet)
        note = "bob@desk (user/bob) is at work: deploy r-2 (mistral-7b) to test, since 2027-01-15"
        monkeypatch.setattr(import_module("playbooks.deploy"), "confirm", lambda _question: False)
        assert note in fleet.run("deploy").err
        assert note in fleet.run("deploy", "--dry-run").err
        fleet.cloud.failures["get_stamped"] = CloudError("AccessDenied")
        said = fleet.run("deploy", "--dry-run")
        assert (said.code, note in said.err) == (0, False)

    def test_nothing_to_do_takes_no_lock(self, fleet: Fleet) -> None:
        """The second deploy leaves no record, and does not ask who types."""
        fleet.run("deploy", "--yes")
        target = fleet.target
        fleet.facts = {name: samples.serving(target.release.id) for name in fleet.facts}
        fleet.cloud.images = {image.tag: "sha256:1" for image in target.images}
        fleet.cloud.objects[f"{target.weights_folder}/manifest.json"] = b'{"files": {}}'
        before = dict(fleet.cloud.objects)
        fleet.cloud.failures["identity"] = CloudError("nobody asks")
        assert "nothing to do" in fleet.run("deploy", "--yes").out
        assert fleet.cloud.objects == before

    def test_somebody_works_while_the_plan_is_read(
        self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """They begin and end between the plan and the yes: it is stale, and says who was there."""

        def ponder(_question: str) -> bool:
            taken(fleet)
            ended(fleet)
            return True

        monkeypatch.setattr(import_module("playbooks.deploy"), "confirm", ponder)
        said = fleet.run("deploy")
        assert said.code == 1
        assert "the plan is stale: bob@desk (user/bob) worked on the environment" in said.err
        assert fleet.cloud.log == []

    def test_a_plan_made_while_somebody_works(
        self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """They end before the yes: what the plan was made from moved while it was looked at."""
        taken(fleet)

        def ponder(_question: str) -> bool:
            ended(fleet)
            return True

        monkeypatch.setattr(import_module("playbooks.deploy"), "confirm", ponder)
        assert "the plan is stale: bob@desk" in fleet.run("deploy").err
        assert fleet.cloud.log == []

    def test_a_dead_one_is_no_obstacle(self, fleet: Fleet) -> None:
        """A minute of the server's after it was last heard of."""
        taken(fleet)
        fleet.cloud.server_time += 61
        said = fleet.run("deploy", "--yes")
        assert said.code == 0
        assert (
            "taking over from bob@desk (user/bob): deploy r-2 (mistral-7b) to test: died: not heard"
            " of for 61 s\n"
        ) in said.err
        mine, dead = fleet.run("history", "--json").json
        assert (mine["ending"], dead["ending"]) == ("done", "died")
        assert dead["closed_by"] == "anna@laptop (user/anna)"

    def test_a_bucket_that_denies_the_lock(self, fleet: Fleet) -> None:
        """Exit 1 with S3's own words before anything was changed."""
        fleet.cloud.failures["put_if"] = CloudError(
            "s3:put_object on s3://b/rollouts/lock.json failed: AccessDenied",
            hint="your role needs permission for s3:put_object on it",
        )
        said = fleet.run("deploy", "--yes")
        assert said.code == 1
        assert "your role needs permission for s3:put_object" in said.err
        assert (fleet.cloud.log, fleet.shell.log) == ([], [])


class TestBreak:
    def test_it_shows_whom_and_asks(self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
        """No is no; yes ends the run."""
        taken(fleet)
        module = import_module("playbooks.lock")
        asked: list[str] = []
        for answer in (False, True):
            monkeypatch.setattr(module, "confirm", lambda q, a=answer: asked.append(q) or a)
            said = fleet.run("lock.break")
            assert (said.code, "held by bob@desk (user/bob), epoch 1" in said.out) == (0, True)
        assert "no further step of it begins" in asked[0]
        assert "epoch 1 ended: broken by anna@laptop (user/anna)" in said.out
        assert fleet.run("lock.status", "--json").json["ending"] == "broken"

    def test_nobody_there_to_say_yes(self, fleet: Fleet) -> None:
        """Wrong usage, and the lock is held on."""
        taken(fleet)
        assert fleet.run("lock.break").code == 2
        assert fleet.run("lock.status", "--json").json["state"] == "held"

    def test_a_free_lock(self, fleet: Fleet) -> None:
        """There is nothing to break, and nobody is asked."""
        assert fleet.run("lock.break").code == 0
        said = fleet.run("lock.break", "--json")
        assert (said.json["broken"], said.json["state"]) == (False, "free")
        assert LOCK not in fleet.cloud.objects

    def test_json(self, fleet: Fleet) -> None:
        """One value on stdout."""
        taken(fleet)
        said = fleet.run("lock.break", "--yes", "--json")
        assert (said.json["broken"], said.json["state"]) == (True, "free")

    def test_the_way_is_free(self, fleet: Fleet) -> None:
        """The next deploy goes on at once."""
        taken(fleet)
        fleet.run("lock.break", "--yes")
        assert fleet.run("deploy", "--yes").code == 0


class TestStatus:
    def test_json_while_it_is_held(self, fleet: Fleet) -> None:
        """Everything that the text says."""
        taken(fleet)
        fleet.cloud.server_time += 20
        assert fleet.run("lock.status", "--json").json == {
            "state": "held",
            "epoch": 1,
            "owner": "bob@desk",
            "identity": BOB.identity,
            "task": "deploy",
            "purpose": WORK.purpose,
            "since": "2027-01-15T08:00:00+00:00",
            "age_s": 20.0,
            "idle_s": 20.0,
            "frees_in_s": 40.0,
            "ending": None,
            "unfinished": [],
        }

    def test_before_the_first_run(self, fleet: Fleet) -> None:
        """Free, and nothing is known that did not happen."""
        said = fleet.run("lock.status", "--json").json
        assert (said["state"], said["epoch"], said["owner"], said["age_s"]) == (
            "free",
            0,
            None,
            None,
        )
        assert fleet.run("lock.status").out == "free: nobody has worked on test yet\n"
        assert fleet.run("history").out == "nothing was changed here yet\n"

    def test_a_document_that_is_no_lock(self, fleet: Fleet) -> None:
        """Named, with where its older versions are."""
        fleet.cloud.objects[LOCK] = b"oops"
        said = fleet.run("lock.status")
        assert said.code == 1
        assert "rollouts/lock.json is not a lock" in said.err


@pytest.mark.parametrize("last", ["0", "-1", "many", ""])
def test_a_number_of_runs_that_is_none(fleet: Fleet, last: str) -> None:
    """Exit 2, with how it is written."""
    said = fleet.run("history", f"--last={last}")
    assert said.code == 2
    assert "like --last 10" in said.err


def test_only_the_last_ones(fleet: Fleet) -> None:
    """As many as asked for."""
    for _ in range(3):
        taken(fleet)
        ended(fleet)
    said: list[dict[str, Any]] = json.loads(fleet.run("history", "--last", "2", "--json").out)
    assert [run["epoch"] for run in said] == [3, 2]


def test_somebody_without_a_name(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container that runs under a number: the number is the name."""

    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr("getpass.getuser", nobody)
    monkeypatch.setattr("os.getuid", lambda: 4711)
    fleet.run("deploy", "--yes")
    assert fleet.run("lock.status", "--json").json["owner"] == "uid-4711@laptop"


def test_nothing_is_carried_out_without_the_lock(fleet: Fleet) -> None:
    """A task that forgot it is a bug, and changes nothing."""
    with pytest.raises(RuntimeError, match="without the environment's lock"):
        import_module("playbooks.rolling").carry_out(fleet.session(), Plan("it"))
    assert fleet.cloud.log == []
