"""One engine of a host is changed, and nothing else is touched."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from provision.agent import containers
from provision.agent.apply import Apply
from provision.agent.errors import AgentError, Stopped
from provision.agent.maintenance import Maintenance
from provision.agent.one_engine import OneEngine
from provision.agent.rescue import Rescue
from provision.agent.signals import interruptible
from provision.agent.system import Completed, read_json, write_json
from provision.planning.release import Release
from tests.agent.conftest import AGENT_JSON, ENGINE_IMAGE, World, make_release
from tests.agent.test_apply import KilledHere

UP = "docker-compose"
ENGINES = [f"llm-fleet-engine-{index}" for index in range(3)]
FRONT = "llm-fleet-front"


def release(note: str, *, engines: int = 3, gpus: int = 3, **more: Any) -> Release:
    replicas = [{"index": index, "port": 8001 + index} for index in range(engines)]
    agent = {**AGENT_JSON, "replicas": replicas, "gpus": gpus, "leaves_out": True}
    return make_release(note, agent=agent, replicas=engines, **more)


OLD, NEW = release("old"), release("new")


@pytest.fixture(autouse=True)
def healthy_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines that were healthy."""
    monkeypatch.setattr(containers, "engine_answers", lambda _port: True)


@pytest.fixture
def running(world: World) -> World:
    """A host that runs three engines of the old release; the new one is uploaded."""
    world.put_on_host(OLD)
    Apply(world.host).release(OLD.id, fetch=False)
    world.machine.calls.clear()
    world.put_on_host(NEW)
    return world


def sources(world: World) -> dict[str, str]:
    """From which release each container runs; "-" for one that does not."""
    return {
        name: Path(one.folder).name if one.status == "running" else "-"
        for name, one in sorted(world.machine.containers.items())
    }


def all_from(release: Release, **other: str) -> dict[str, str]:
    return dict.fromkeys([*ENGINES, FRONT], release.id) | {
        f"llm-fleet-{name}": source for name, source in other.items()
    }


def change(world: World, index: int = 1, to: Release = NEW, **how: Any) -> bool:
    return OneEngine(world.host, index).apply(to.id, fetch=False, **how)


class TestApply:
    def test_only_this_engine_is_stopped_and_started(self, running: World) -> None:
        """The front, the others, `current` and the program stay as they are."""
        before = {name: one.id for name, one in running.machine.containers.items()}
        assert change(running)

        folder = running.paths.release(NEW.id)
        assert running.machine.calls == [
            f"docker stop -t 150 {ENGINES[1]}",
            f"docker rm -f {ENGINES[1]}",
            f"docker-compose --project-name llm-fleet --project-directory {folder} "
            f"--file {folder}/docker-compose.yml up -d --no-deps engine-1",
        ]
        assert sources(running) == all_from(OLD, **{"engine-1": NEW.id})
        after = {name: one.id for name, one in running.machine.containers.items()}
        assert {name for name in after if after[name] != before[name]} == {ENGINES[1]}
        assert running.paths.current_release() == OLD.id
        assert not running.paths.journal_of(1).exists()
        assert running.events("applied")[-1]["replica"] == 1

    def test_the_same_release_again_changes_nothing(self, running: World) -> None:
        """Unless it is told to start it anew."""
        change(running)
        running.machine.calls.clear()
        assert not change(running)
        assert running.machine.calls == []
        assert running.events("unchanged")[-1]["replica"] == 1
        assert change(running, recreate=True)
        assert f"docker stop -t 150 {ENGINES[1]}" in running.machine.calls

    def test_the_last_log_lines_outlive_the_container(self, running: World) -> None:
        """Why the old engine ended can still be read."""
        running.machine.logs[ENGINES[1]] = "ERROR CUDA out of memory\n"
        change(running)
        assert "CUDA" in (running.paths.logs / f"{ENGINES[1]}.log").read_text()

    def test_one_that_never_was_healthy_is_killed(
        self, running: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It ignores SIGTERM while it loads."""
        monkeypatch.setattr(containers, "engine_answers", lambda port: port != 8002)
        change(running)
        assert f"docker stop -t 1 {ENGINES[1]}" in running.machine.calls


class TestRefused:
    def untouched(self, world: World) -> None:
        assert sources(world) == all_from(OLD)
        assert not [call for call in world.machine.calls if "stop" in call or "up -d" in call]
        assert world.paths.journals_of_engines() == []

    @pytest.mark.parametrize(
        ("other", "index", "reason"),
        [
            (release("two", engines=2, gpus=2), 1, "2 engine\\(s\\) on 2 GPU\\(s\\)"),
            (release("wide", gpus=6), 1, "3 engine\\(s\\) on 6 GPU\\(s\\), r-.* has 3 on 3"),
            (NEW, 3, "there is no replica 3"),
        ],
        ids=["fewer-engines", "more-gpus-each", "unknown-engine"],
    )
    def test_what_can_not_run_beside_the_others(
        self, running: World, other: Release, index: int, reason: str
    ) -> None:
        """They would share GPUs; before anything is touched."""
        running.put_on_host(other)
        with pytest.raises(AgentError, match=reason):
            change(running, index, other)
        self.untouched(running)

    def test_without_a_whole_release(self, world: World) -> None:
        """Somebody has to bring the front; and to finish an apply of everything."""
        world.put_on_host(NEW)
        with pytest.raises(AgentError, match="no whole release runs here yet"):
            change(world)
        world.put_on_host(OLD)
        Apply(world.host).release(OLD.id, fetch=False)
        write_json(world.paths.journal, {"from": OLD.id, "to": NEW.id})
        with pytest.raises(AgentError, match="no whole release runs here yet"):
            change(world)

    def test_an_image_that_is_nowhere(self, running: World) -> None:
        """Pulled before anything is stopped."""
        running.machine.images.remove(ENGINE_IMAGE)
        running.machine.registry.clear()
        with pytest.raises(AgentError, match="can't pull"):
            change(running)
        self.untouched(running)

    def test_a_release_that_is_not_here(self, running: World) -> None:
        """Without --fetch it is not fetched."""
        with pytest.raises(AgentError, match="is not on this host"):
            change(running, 1, release("third"))
        self.untouched(running)

    def test_an_engine_that_serves_again(self, running: World) -> None:
        """Its lease ends without the host's lock: it must hold when the engine is stopped."""
        mark, now = Maintenance(running.paths.maintenance_of(1)), running.clock.now()
        mark.begin(now, lease_s=60, why="a rollout")
        running.clock.sleep(55)
        with pytest.raises(AgentError, match="it may be in traffic again"):
            change(running, away_since=now)
        self.untouched(running)
        mark.begin(running.clock.now(), lease_s=60, why="a rollout")
        assert change(running, away_since=now)


class TestFails:
    def test_compose_fails_and_the_engine_goes_back(self, running: World) -> None:
        """The old one is started again; the reason is compose's own."""

        def fail_once() -> None:
            if UP in running.machine.fail:
                del running.machine.fail[UP]
                running.machine.hooks.clear()
            else:
                running.machine.fail[UP] = Completed(1, err="no space left on device")

        running.machine.hooks[f"{UP} --project"] = fail_once
        with pytest.raises(AgentError, match="no space left on device"):
            change(running)
        self.back(running)

    def test_sigterm_in_the_middle(self, running: World) -> None:
        """An operator's Ctrl-C is undone, not left."""

        def terminate() -> None:
            running.machine.hooks.clear()
            os.kill(os.getpid(), signal.SIGTERM)

        running.machine.hooks[UP] = terminate
        with interruptible(), pytest.raises(Stopped):
            change(running)
        self.back(running)

    def back(self, world: World) -> None:
        assert sources(world) == all_from(OLD)
        assert world.paths.journals_of_engines() == []
        (event,) = world.events("going-back")
        assert (event["replica"], event["to"]) == (1, OLD.id)

    def test_what_fails_twice_is_left_for_the_agent(self, running: World) -> None:
        """Its journal stays, so that somebody comes back to it."""
        running.machine.fail[f"{UP} --project"] = Completed(1, err="boom")
        with pytest.raises(AgentError, match="boom"):
            change(running)
        assert running.events("stuck") != []
        assert read_json(running.paths.journal_of(1)) == {"from": OLD.id, "to": NEW.id}
        running.machine.fail.clear()
        rescued(running)
        assert sources(running) == all_from(OLD)


def rescued(world: World) -> None:
    """The agent's turns, until 20 s have passed in which nobody came."""
    rescue = Rescue(world.host, None, lambda reason, hint="": None)  # type: ignore[arg-type]
    for _ in range(12):
        rescue.engines(range(3))
        world.clock.sleep(2.0)


class TestKilled:
    """kill -9 leaves no chance to undo: the next apply, or the agent, finishes or goes back."""

    MOMENTS = ("docker stop", "docker rm", UP, "docker ps -a")

    def kill(self, world: World, moment: str) -> None:
        def die() -> None:
            world.machine.hooks.clear()
            raise KilledHere

        def arm() -> None:
            world.machine.hooks = {moment: die}

        if moment == "docker ps -a":  # asked for while pruning: the engine is up, nobody said so
            world.machine.hooks[UP] = arm
        else:
            arm()
        with pytest.raises(KilledHere):
            change(world)

    @pytest.mark.parametrize("moment", MOMENTS)
    @pytest.mark.parametrize("after", [NEW, OLD], ids=["finish", "go-back"])
    def test_run_again(self, running: World, moment: str, after: Release) -> None:
        """At whatever command it was killed, another apply of either release ends whole."""
        self.kill(running, moment)
        change(running, 1, after)
        assert sources(running) == all_from(OLD, **{"engine-1": after.id})
        assert running.paths.journals_of_engines() == []

    @pytest.mark.parametrize("moment", MOMENTS)
    def test_the_agent_ends_it(self, running: World, moment: str) -> None:
        """Back to what it was; what is up already stays."""
        self.kill(running, moment)
        rescued(running)
        expected = NEW if moment == "docker ps -a" else OLD
        assert sources(running) == all_from(OLD, **{"engine-1": expected.id})
        assert running.paths.journals_of_engines() == []

    @pytest.mark.parametrize("moment", MOMENTS)
    @pytest.mark.parametrize("whole", [NEW, OLD], ids=["finish", "go-back"])
    def test_the_whole_release_ends_it(self, running: World, moment: str, whole: Release) -> None:
        """An operator who gives up on one by one, or a boot."""
        self.kill(running, moment)
        Apply(running.host).release(whole.id, fetch=False)
        assert sources(running) == all_from(whole)
        assert running.paths.current_release() == whole.id
        assert running.paths.journals_of_engines() == []

    def test_the_agent_waits_for_whoever_is_at_work(self, running: World) -> None:
        """A journal is there while an apply runs, too."""
        self.kill(running, UP)
        rescue = Rescue(running.host, None, lambda reason, hint="": None)  # type: ignore[arg-type]
        rescue.engines(range(3))
        running.clock.sleep(10.0)
        rescue.engines(range(3))
        assert running.paths.journal_of(1).exists()

    def test_a_journal_that_can_not_be_read_means_the_current_release(self, running: World) -> None:
        """Half a file after a power failure."""
        self.kill(running, UP)
        running.paths.journal_of(1).write_text("{")
        rescued(running)
        assert sources(running) == all_from(OLD)
        assert running.paths.journals_of_engines() == []


class TestTheWholeAfterwards:
    def test_engines_that_run_from_it_stay(self, running: World) -> None:
        """Only the front is made anew, and `current` moves."""
        for index in range(3):
            change(running, index)
        before = {name: one.id for name, one in running.machine.containers.items()}
        running.machine.calls.clear()

        assert Apply(running.host).release(NEW.id, fetch=False)

        after = {name: one.id for name, one in running.machine.containers.items()}
        assert {name for name in after if after[name] != before[name]} == {FRONT}
        assert sources(running) == all_from(NEW)
        assert running.paths.current_release() == NEW.id
        assert [call for call in running.machine.calls if "docker stop" in call] == [
            f"docker stop -t 150 {FRONT}"
        ]
        assert not Apply(running.host).release(NEW.id, fetch=False)

    def test_those_that_do_not_are_changed(self, running: World) -> None:
        """A rollout that goes on host by host after all."""
        change(running, 1)
        kept = running.machine.containers[ENGINES[1]].id
        Apply(running.host).release(NEW.id, fetch=False)
        assert sources(running) == all_from(NEW)
        assert running.machine.containers[ENGINES[1]].id == kept

    def test_with_restart_all_start_anew(self, running: World) -> None:
        """As it says."""
        change(running, 1)
        kept = running.machine.containers[ENGINES[1]].id
        Apply(running.host).release(NEW.id, fetch=False, recreate=True)
        assert sources(running) == all_from(NEW)
        assert running.machine.containers[ENGINES[1]].id != kept

    def test_other_units_stop_them_all(self, running: World) -> None:
        """`systemctl daemon-reload` takes the GPUs away from containers that run."""
        other = release("units", more={"llm-fleet-agent.service": "[Unit]\n"})
        running.put_on_host(other)
        change(running, 1, other)
        kept = running.machine.containers[ENGINES[1]].id
        Apply(running.host).release(other.id, fetch=False)
        assert running.machine.containers[ENGINES[1]].id != kept

    def test_releases_that_engines_run_from_are_kept(self, running: World) -> None:
        """However many come and go meanwhile."""
        change(running, 1)
        os.utime(running.paths.release(NEW.id), (1, 1))
        others = [release(f"number {number}") for number in range(6)]
        for age, other in enumerate(others):
            running.put_on_host(other)
            change(running, 0, other)
            os.utime(running.paths.release(other.id), (1000 + age, 1000 + age))
        kept = {path.name for path in running.paths.releases.iterdir()}
        assert {OLD.id, NEW.id, others[-1].id} <= kept
        assert others[0].id not in kept
