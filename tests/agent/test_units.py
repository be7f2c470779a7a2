"""systemd units: installed when they changed, reloaded only then."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.agent import containers, units
from provision.agent.apply import Apply
from provision.agent.errors import AgentError
from provision.agent.paths import AGENT_UNIT, BOOT_UNIT
from provision.agent.system import Completed
from provision.planning.release import Release, assemble
from tests.agent.conftest import World, make_release, write_files

UNITS = {f"systemd/{AGENT_UNIT}": b"[Service]\nExecStart=agent\n", BOOT_UNIT: b"[Service]\n"}


def with_units() -> Release:
    """A release that brings units."""
    plain = make_release("units")
    files = {k: v for k, v in plain.files.items() if k != "release.json"}
    facts = {
        "images": {"engine": ENGINE, "front": FRONT},
        "replicas": 1,
        "compose_grace_s": 150,
    }
    return assemble("mistral-7b", {**files, **UNITS}, facts)


ENGINE = "111122223333.dkr.ecr.us-east-1.amazonaws.com/llm-fleet-test:engine-0123456789ab"
FRONT = "111122223333.dkr.ecr.us-east-1.amazonaws.com/llm-fleet-test:front-0123456789ab"


def test_only_what_differs_is_changed(world: World, tmp_path: Path) -> None:
    """Wherever in the release they are."""
    folder = tmp_path / "release"
    write_files(folder, UNITS)
    write_files(world.paths.units, {BOOT_UNIT: UNITS[BOOT_UNIT]})
    assert units.changed(world.paths, folder) == {AGENT_UNIT: UNITS[f"systemd/{AGENT_UNIT}"]}


def test_systemd_reads_them_while_no_engine_runs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reload takes the GPUs away from containers that run: the old ones are gone by then."""
    monkeypatch.setattr(containers, "engine_answers", lambda _port: True)
    release = with_units()
    world.put_on_host(make_release())
    Apply(world.host).release(make_release().id, fetch=False)
    running: list[list[str]] = []
    world.machine.hooks["systemctl daemon-reload"] = lambda: running.append(
        [c.name for c in world.machine.containers.values() if c.status == "running"]
    )
    world.put_on_host(release)
    Apply(world.host).release(release.id, fetch=False)
    assert running == [[]]
    enabled = [call for call in world.machine.calls if "enable" in call]
    assert enabled == [f"systemctl enable {BOOT_UNIT}", f"systemctl enable {AGENT_UNIT}"]

    world.machine.calls.clear()
    assert not Apply(world.host).release(release.id, fetch=False)
    assert world.machine.calls == []


def test_systemd_says_no(world: World) -> None:
    """Its own words."""
    world.machine.fail["systemctl restart"] = Completed(1, err="Unit not found.")
    with pytest.raises(AgentError, match=r"systemctl restart .*: Unit not found\."):
        units.restart_agent(world.machine.run)
