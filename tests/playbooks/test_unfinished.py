"""`--resume` and `--abort`, as typed, after a rollout whose process was killed."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from provision.commands.command import Command, Result
from provision.executor import locked
from provision.facts.inventory import Host
from provision.planning.release import parse_current
from provision.secret import Secret
from provision.testing import samples
from tests.playbooks.conftest import Fleet

OLD = "r-000000000000"
HELD = {"Launch", "Terminate", "ReplaceUnhealthy"}
Kill = Callable[[str, str], None]


class Killed(BaseException):
    """Nothing of the process happens any more."""


@pytest.fixture
def serving(fleet: Fleet) -> Fleet:
    """Two hosts that serve an old release, which is current; applying changes what they run."""
    fleet.facts = {name: samples.serving(OLD) for name in fleet.facts}
    fleet.shell.prepare(
        "*readlink*", lambda host, _: Result(0, f"{fleet.facts[host.name].release}")
    )
    fleet.cloud.secrets["llm-fleet/test/probe-key"] = Secret("sk-fleet-probe")
    fleet.cloud.objects["releases/current"] = json.dumps({"release": OLD}).encode()
    fleet.shell.prepare("*host.pyz apply *", lambda host, command: _apply(fleet, host, command))
    return fleet


def _apply(fleet: Fleet, host: Host, command: Command) -> Result:
    release = command.display().split("--release ")[1].split()[0]
    fleet.facts[host.name] = samples.serving(release)
    return Result(0, '{"event": "applied", "t": 1}\n')


@pytest.fixture
def kill(
    serving: Fleet, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Kill:
    """``kill("deploy", "*bake*")``: the task dies where it would say this to the first host."""

    def die(task: str, where: str) -> None:
        def killed(host: Host, command: Command) -> Result:
            raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(locked, "_close", lambda *_: None)
            serving.shell.prepare(where, killed, host="i-1")
            with pytest.raises(Killed):
                serving.run(task, "--yes")
        serving.shell.prepare(where, Result(0, '{"event": "done", "t": 1}\n'), host="i-1")
        serving.cloud.server_time += 61
        capsys.readouterr()

    return die


def everything(fleet: Fleet) -> tuple[set[str | None], set[str], str | None, set[str]]:
    """Releases, traffic, what is current, what is suspended."""
    return (
        {facts.release for facts in fleet.facts.values()},
        {states[-1] for states in fleet.cloud.health.values()},
        parse_current(fleet.cloud.objects["releases/current"]),
        fleet.cloud.stopped,
    )


class TestDeploy:
    def test_resume(self, serving: Fleet, kill: Kill) -> None:
        """The rest is done; the lock is free, and the history tells both."""
        new = serving.target.release.id
        for image in serving.target.images:
            serving.cloud.images[image.tag] = "sha256:1"
        serving.cloud.objects[f"{serving.target.weights_folder}/manifest.json"] = b'{"files": {}}'
        kill("deploy", "*bake*")
        assert serving.cloud.stopped == HELD
        said = serving.run("deploy", "--resume", "--yes")
        assert said.code == 0, said.err
        assert "epoch 1 broke off: deploy" in said.err
        assert everything(serving) == ({new}, {"healthy"}, new, set())
        runs = serving.run("history", "--json").json
        assert [(run["what"]["task"], run["ending"]) for run in runs] == [
            ("resume", "done"),
            ("deploy", "died"),
        ]
        assert runs[0]["what"]["intent"]["began"] == runs[1]["begun"]
        assert serving.run("lock.status", "--json").json["state"] == "free"

    def test_abort(self, serving: Fleet, kill: Kill) -> None:
        """Both hosts run the old release again, in traffic."""
        kill("deploy", "*bake*")
        said = serving.run("deploy", "--abort", "--yes", "--json")
        assert said.code == 0, said.err
        assert said.json["ok"] is True
        assert everything(serving) == ({OLD}, {"healthy"}, OLD, set())

    def test_from_another_task(self, serving: Fleet, kill: Kill) -> None:
        """Who takes over need not know what it was."""
        kill("deploy", "*drain*")
        assert serving.run("rolling-restart", "--abort", "--yes").code == 0
        assert everything(serving) == ({OLD}, {"healthy"}, OLD, set())

    def test_a_second_time_there_is_nothing(self, serving: Fleet, kill: Kill) -> None:
        """Exit 0 and a friendly line."""
        kill("deploy", "*drain*")
        serving.run("deploy", "--abort", "--yes")
        said = serving.run("deploy", "--resume", "--yes")
        assert (said.code, said.out) == (0, "no rollout broke off: nothing to do\n")

    def test_the_next_plan_says_so(self, serving: Fleet, kill: Kill) -> None:
        """And its own hold on the group takes over what was left suspended."""
        kill("deploy", "*drain*")
        said = serving.run("deploy", "--yes")
        assert said.code == 0
        assert "broke off: `fab deploy --resume` goes on with it, `--abort` takes it" in said.err
        assert serving.cloud.stopped == set()

    def test_status_says_so(self, serving: Fleet, kill: Kill) -> None:
        """Whoever looks first at 3 am learns what to type."""
        kill("deploy", "*drain*")
        assert "`fab deploy --resume` goes on with it" in serving.run("status").err

    def test_a_dry_run(self, serving: Fleet, kill: Kill) -> None:
        """Shows what would be done, and leaves everything."""
        kill("deploy", "*drain*")
        log = list(serving.cloud.log)
        said = serving.run("deploy", "--abort", "--dry-run")
        assert (said.code, serving.cloud.log) == (0, log)
        assert "take back: deploy" in said.out

    def test_somebody_is_at_work(self, serving: Fleet, kill: Kill) -> None:
        """Exit 3: it did not break off."""
        kill("deploy", "*drain*")
        serving.cloud.server_time -= 61
        said = serving.run("deploy", "--resume", "--yes")
        assert said.code == 3
        assert "works on test" in said.err

    def test_a_person_s_own_suspension_stays(self, serving: Fleet) -> None:
        """Nobody but who suspended it knows why."""
        serving.cloud.stopped = {"Launch"}
        assert serving.run("rolling-restart", "--yes").code == 0
        assert serving.cloud.stopped == {"Launch"}
        assert serving.cloud.log[0] == "suspend Terminate ReplaceUnhealthy"


class TestRestart:
    def test_resume(self, serving: Fleet, kill: Kill) -> None:
        """No engine is started twice: the first host's is younger than the rollout."""
        kill("rolling-restart", "*bake*")
        young, old = ([{"uptime_s": seconds}] for seconds in (20.0, 9000.0))
        for name, replicas in (("i-1", young), ("i-2", old)):
            facts = serving.facts[name]
            assert facts.agent is not None
            facts.agent["replicas"] = replicas
        before = len(serving.shell.log)
        assert serving.run("rolling-restart", "--resume", "--yes").code == 0
        applied = [line for line in serving.shell.log[before:] if "apply" in line]
        assert len(applied) == 1
        assert applied[0].startswith("i-2: ")
        assert everything(serving)[1:] == ({"healthy"}, OLD, set())


@pytest.mark.parametrize(
    "words",
    [
        ("deploy", "--resume", "--abort"),
        ("deploy", "--resume", "--model", "mistral-7b"),
        ("rollback", "--abort", "--to", OLD),
        ("rolling-restart", "--resume", "--if-older-than", "24h"),
        ("rolling-restart", "--abort", "--hosts", "i-1"),
    ],
)
def test_wrong_words(serving: Fleet, words: tuple[str, ...]) -> None:
    """What it does was said when it began: exit 2."""
    said = serving.run(*words, "--yes")
    assert said.code == 2
    assert "takes no --" in said.err
