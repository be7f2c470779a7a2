"""Applying a release: whole, or not at all."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from provision.agent import containers
from provision.agent.apply import Apply
from provision.agent.errors import AgentError, Busy, Stopped
from provision.agent.maintenance import Maintenance
from provision.agent.prepare import _bindable
from provision.agent.signals import interruptible
from provision.agent.system import Completed
from tests.agent.conftest import ENGINE_IMAGE, FOLDER, FRONT_IMAGE, World, make_release

UP = "docker-compose"
OLD, NEW = make_release("old"), make_release("new")


@pytest.fixture(autouse=True)
def healthy_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines that were healthy, unless a test says otherwise."""
    monkeypatch.setattr(containers, "engine_answers", lambda _port: True)


@pytest.fixture
def running(world: World) -> World:
    """A host that runs the old release; the new one is uploaded."""
    world.put_on_host(OLD)
    assert Apply(world.host).release(OLD.id, fetch=False)
    world.machine.calls.clear()
    world.put_on_host(NEW)
    return world


def assert_untouched(world: World) -> None:
    """The old release runs as before, and nobody touched a container."""
    assert world.paths.current_release() == OLD.id
    assert world.machine.calls == [c for c in world.machine.calls if c.startswith("docker pull")]
    assert {c.status for c in world.machine.containers.values()} == {"running"}
    assert not world.paths.journal.exists()


class TestPrepare:
    def test_brings_all_that_an_apply_needs_and_touches_nothing(self, running: World) -> None:
        """The apply after it has nothing left to fetch."""
        Apply(running.host).prepare(NEW.id, fetch=False)

        assert_untouched(running)
        running.machine.calls.clear()
        assert Apply(running.host).release(NEW.id, fetch=False)
        assert not [call for call in running.machine.calls if "pull" in call]

    def test_what_is_missing_is_said_while_the_old_one_serves(self, running: World) -> None:
        """Nobody was taken out of traffic for it."""
        (running.paths.release(NEW.id) / "docker-compose.yml").write_text("changed")

        with pytest.raises(AgentError, match=r"docker-compose\.yml"):
            Apply(running.host).prepare(NEW.id, fetch=False)

        assert_untouched(running)


class TestFirstApply:
    def test_brings_weights_images_and_containers_in_this_order(self, world: World) -> None:
        """From an empty host to running containers, with nothing left to ask for."""
        world.put_on_host(OLD)

        assert Apply(world.host).release(OLD.id, fetch=False)

        folder = world.paths.release(OLD.id)
        ecr = "111122223333.dkr.ecr.us-east-1.amazonaws.com"
        pulled = [call for call in world.machine.calls if "pull" in call]
        assert pulled == [f"docker pull --quiet {i}" for i in (ENGINE_IMAGE, FRONT_IMAGE)]
        assert world.machine.calls[0].startswith("docker login --username AWS --password-stdin")
        assert set(world.machine.logins) <= {ecr, *world.machine.logins}
        assert world.machine.calls[-2:] == [
            f"docker-compose --project-name llm-fleet --project-directory {folder} "
            f"--file {folder}/docker-compose.yml up -d --remove-orphans",
            "systemctl restart llm-fleet-agent.service",
        ]
        assert (world.paths.cache / FOLDER / "model.safetensors").stat().st_size == 5000
        assert world.paths.program.read_bytes() == b"PK program"
        assert list(world.events("applied")[0]["phases"]) == [
            "verify",
            "cache",
            "weights",
            "pull",
            "stop",
            "start",
        ]

    def test_makes_the_hop_secret_once(self, running: World) -> None:
        """A second release keeps the secret, so that a front and an engine never disagree."""
        before = running.paths.hop_env.read_text()
        assert before.startswith("VLLM_API_KEY=")
        assert running.paths.hop_env.stat().st_mode & 0o777 == 0o600
        secret = before.strip().partition("=")[2]
        line = f'proxy_set_header Authorization "Bearer {secret}";\n'
        assert running.paths.hop_conf.read_text() == line

        Apply(running.host).release(NEW.id, fetch=False)

        assert running.paths.hop_env.read_text() == before

    def test_leaves_no_registry_login_behind(self, running: World) -> None:
        """The login's folder is gone after the pull."""
        assert [p.name for p in running.paths.run.iterdir() if p.is_dir()] == []

    def test_fetches_the_release_from_the_bucket(self, world: World) -> None:
        """A host that boots has no folder: it comes from S3, whole and verified."""
        world.publish(OLD)
        assert Apply(world.host).release(OLD.id, fetch=True)
        assert world.paths.current_release() == OLD.id

    def test_speaks_to_compose_v2_where_there_is_one(self, world: World) -> None:
        """`docker compose` is preferred over `docker-compose`."""
        world.machine.compose_v2 = True
        world.put_on_host(OLD)
        Apply(world.host).release(OLD.id, fetch=False)
        assert any(c.startswith("docker compose --project-name") for c in world.machine.calls)


class TestSameRelease:
    def test_changes_nothing(self, running: World) -> None:
        """The same release again is one look, no change."""
        assert not Apply(running.host).release(OLD.id, fetch=False)
        assert running.machine.calls == []
        assert running.events("unchanged")[0]["release"] == OLD.id

    def test_starts_what_does_not_run(self, running: World) -> None:
        """A container that was given up comes back with the next apply."""
        running.machine.containers["llm-fleet-engine-0"].status = "exited"
        assert Apply(running.host).release(OLD.id, fetch=False)
        assert running.machine.containers["llm-fleet-engine-0"].status == "running"

    def test_mends_a_truncated_weight_file(self, running: World) -> None:
        """Weights are looked at even when the release is the same."""
        weights = running.paths.cache / FOLDER / "model.safetensors"
        weights.write_bytes(b"w" * 100)
        Apply(running.host).release(OLD.id, fetch=False)
        assert weights.stat().st_size == 5000


class TestBeforeTheSwap:
    """Whatever fails before the swap leaves the old release untouched."""

    def test_a_damaged_folder(self, running: World) -> None:
        """A file that is not what the manifest says is named."""
        (running.paths.release(NEW.id) / "agent.json").write_text("{}")
        with pytest.raises(AgentError, match=r"is damaged: agent\.json differs"):
            Apply(running.host).release(NEW.id, fetch=False)
        assert_untouched(running)

    def test_an_image_that_is_nowhere(self, running: World) -> None:
        """The pull's own words and what to do."""
        running.machine.images.clear()
        running.machine.registry.clear()
        with pytest.raises(AgentError, match=r"can't pull .*manifest unknown") as caught:
            Apply(running.host).release(NEW.id, fetch=False)
        assert "mirrored" in caught.value.hint
        running.machine.calls = [c for c in running.machine.calls if "login" not in c]
        assert_untouched(running)

    def test_weights_that_are_not_in_the_bucket(self, running: World) -> None:
        """No manifest, no weights, no swap."""
        (running.paths.cache / FOLDER / "manifest.json").unlink()
        client = running.host.cloud.client("s3")
        client.delete_object(Bucket="llm-fleet-test", Key="weights/mistral-7b/abc123/manifest.json")
        with pytest.raises(AgentError, match="are not in the bucket"):
            Apply(running.host).release(NEW.id, fetch=False)
        assert_untouched(running)

    def test_a_port_that_somebody_else_has(
        self, running: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The port is named, with the command that shows who has it."""
        monkeypatch.setattr("provision.agent.prepare._bindable", lambda port: port != 8001)
        with pytest.raises(AgentError, match="port 8001 is taken by another process") as caught:
            Apply(running.host).release(NEW.id, fetch=False)
        assert "ss -ltnp 'sport = :8001'" in caught.value.hint
        assert_untouched(running)

    def test_no_compose(self, running: World) -> None:
        """A host without compose is told to be set up."""
        running.host.docker._compose = None
        running.machine.fail[UP] = Completed(127, err="not found")
        with pytest.raises(AgentError, match="no docker compose"):
            Apply(running.host).release(NEW.id, fetch=False)
        assert_untouched(running)

    def test_another_apply_that_never_ends(self, running: World) -> None:
        """Two applies never run at once; the second gives up after its patience."""
        with running.paths.lock.open("w") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            with pytest.raises(Busy):
                Apply(running.host).release(NEW.id, fetch=False)
        assert_untouched(running)
        assert len(running.events("waiting")) == 1

    def test_a_host_that_is_in_traffic_again(self, running: World) -> None:
        """Whoever was held up for longer than the lease stops no engine."""
        mark = Maintenance(running.paths.maintenance)
        since = mark.begin(running.clock.now(), lease_s=60, why="a rollout").since
        assert mark.end()
        with pytest.raises(AgentError, match="it may be in traffic again"):
            Apply(running.host).release(NEW.id, fetch=False, away_since=since)
        assert_untouched(running)

    def test_a_host_that_booted_meanwhile(self, running: World) -> None:
        """It ran nothing when the deploy was planned, and may be in traffic by now."""
        with pytest.raises(AgentError, match=rf"it runs {OLD.id} by now, and may be in traffic"):
            Apply(running.host).release(NEW.id, fetch=False, first=True)
        assert_untouched(running)
        assert not Apply(running.host).release(OLD.id, fetch=False, first=True)

    def test_its_lease_runs_out_while_another_applies(self, running: World) -> None:
        """Nobody ends it under the lock, and so the host is out of traffic still."""
        mark = Maintenance(running.paths.maintenance)
        since = mark.begin(running.clock.now(), lease_s=60, why="a rollout").since
        with running.paths.lock.open("w") as other:
            fcntl.flock(other, fcntl.LOCK_EX)

            def let_go() -> None:
                if running.clock.now() > since + 100.0:
                    fcntl.flock(other, fcntl.LOCK_UN)

            running.clock.on_sleep = let_go
            assert Apply(running.host).release(NEW.id, fetch=False, away_since=since)
        assert running.paths.current_release() == NEW.id


class TestSwapFails:
    """What fails after the old containers stopped ends with the old release running."""

    def test_compose_fails(self, running: World) -> None:
        """The old release is started again, and the reason is compose's own."""
        running.machine.hooks[UP] = _fail_once(running, UP, "no space left on device")
        with pytest.raises(AgentError, match="no space left on device"):
            Apply(running.host).release(NEW.id, fetch=False)
        assert_back_on_old(running)

    def test_the_agent_does_not_start(self, running: World) -> None:
        """A release whose agent can't run is no release."""
        running.machine.hooks["systemctl restart"] = _fail_once(
            running, "systemctl restart", "start request repeated too quickly"
        )
        with pytest.raises(AgentError, match="repeated too quickly"):
            Apply(running.host).release(NEW.id, fetch=False)
        assert_back_on_old(running)

    def test_sigterm_in_the_middle(self, running: World) -> None:
        """An operator's Ctrl-C or a shutdown is undone, not left."""

        def terminate() -> None:
            running.machine.hooks.clear()
            os.kill(os.getpid(), signal.SIGTERM)

        running.machine.hooks[UP] = terminate
        with interruptible(), pytest.raises(Stopped):
            Apply(running.host).release(NEW.id, fetch=False)
        assert_back_on_old(running)

    def test_first_release_leaves_nothing(self, world: World) -> None:
        """With no release to go back to, the host is as before: none."""
        world.put_on_host(OLD)
        world.machine.hooks[f"{UP} --project"] = _fail_once(world, f"{UP} --project", "boom")
        with pytest.raises(AgentError, match="boom"):
            Apply(world.host).release(OLD.id, fetch=False)
        assert world.paths.current_release() is None
        assert world.machine.containers == {}
        assert not world.paths.journal.exists()


class TestKilled:
    """kill -9 leaves no chance to undo: the next apply finishes or goes back."""

    @pytest.mark.parametrize("moment", ["docker stop", "docker rm", UP, "systemctl restart"])
    @pytest.mark.parametrize("after", [NEW, OLD], ids=["finish", "go-back"])
    def test_run_again(self, running: World, moment: str, after: object) -> None:
        """At whatever command it was killed, another apply of either release ends whole."""

        def die() -> None:
            running.machine.hooks.clear()
            raise KilledHere

        running.machine.hooks[moment] = die
        with pytest.raises(KilledHere):
            Apply(running.host).release(NEW.id, fetch=False)
        assert running.paths.journal.exists()

        wanted = after.id  # type: ignore[attr-defined]
        assert Apply(running.host).release(wanted, fetch=False)

        assert running.paths.current_release() == wanted
        assert not running.paths.journal.exists()
        folders = {Path(c.folder).name for c in running.machine.containers.values()}
        assert folders == {wanted}


class TestStopping:
    def test_front_first_then_engines_with_the_grace_of_the_release(self, running: World) -> None:
        """The front finishes what it carries while the engine still works."""
        Apply(running.host).release(NEW.id, fetch=False)
        stops = [call for call in running.machine.calls if call.startswith("docker stop")]
        assert stops == [
            "docker stop -t 150 llm-fleet-front",
            "docker stop -t 150 llm-fleet-engine-0",
        ]

    def test_an_engine_that_still_loads_is_killed(
        self, running: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It ignores SIGTERM while it loads: waiting for the grace would be for nothing."""
        monkeypatch.setattr(containers, "engine_answers", lambda _port: False)
        Apply(running.host).release(NEW.id, fetch=False)
        assert "docker stop -t 1 llm-fleet-engine-0" in running.machine.calls

    def test_the_last_log_lines_outlive_the_container(self, running: World) -> None:
        """Why the old engine ended can still be read."""
        running.machine.logs["llm-fleet-engine-0"] = "ERROR CUDA out of memory\n"
        Apply(running.host).release(NEW.id, fetch=False)
        kept = running.paths.logs / "llm-fleet-engine-0.log"
        assert kept.read_text() == "ERROR CUDA out of memory\n"


class TestPruning:
    def test_keeps_the_last_five(self, world: World) -> None:
        """Six releases one after the other: the oldest folder goes."""
        releases = [make_release(f"number {number}") for number in range(6)]
        for age, release in enumerate(releases):
            world.put_on_host(release)
            Apply(world.host).release(release.id, fetch=False)
            os.utime(world.paths.release(release.id), (1000 + age, 1000 + age))
        kept = {path.name for path in world.paths.releases.iterdir()}
        assert kept == {release.id for release in releases[1:]}


def test_bindable_sees_a_listener() -> None:
    """A port with a listener is taken, and free again afterwards."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert not _bindable(port)
    assert _bindable(port)


class KilledHere(BaseException):
    """The process is gone: no handler runs."""


def _fail_once(world: World, beginning: str, message: str) -> Callable[[], None]:
    def arm() -> None:
        if beginning in world.machine.fail:
            del world.machine.fail[beginning]
            world.machine.hooks.clear()
        else:
            world.machine.fail[beginning] = Completed(1, err=message)

    return arm


def assert_back_on_old(world: World) -> None:
    assert world.paths.current_release() == OLD.id
    assert {Path(c.folder).name for c in world.machine.containers.values()} == {OLD.id}
    assert {c.status for c in world.machine.containers.values()} == {"running"}
    assert not world.paths.journal.exists()
    assert world.events("going-back")[0]["to"] == OLD.id
