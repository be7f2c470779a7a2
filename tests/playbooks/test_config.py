"""`fab config.check` and `fab config.refresh-ami`, as typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from invoke.exceptions import Exit

from playbooks.config import check, refresh_ami
from provision.connectors import ami
from provision.connectors.ami import Image, Refresh

TEXT = """\
config:
  aws:region: us-east-1
  llm-fleet:owner: platform
  llm-fleet:model: {name: qwen2.5-7b}
  llm-fleet:fleet:
    hosts: 2
    ami: null  # pinned by fab config.refresh-ami
"""
NEW = Image("ami-0bbbbbbbbbbbbbbbb", "Deep Learning Base AMI", "2026-10-20T08:00:00.000Z")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the one environment of a project; the test stands in its folder."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Pulumi.yaml").write_text("name: llm-fleet\n")
    path = tmp_path / "Pulumi.prod.yaml"
    path.write_text(TEXT)
    return path


@pytest.fixture
def newest(monkeypatch: pytest.MonkeyPatch) -> Image:
    """AWS names NEW as the newest image."""
    monkeypatch.setattr(ami, "refresh", lambda env: Refresh(env.fleet.ami, None, NEW))
    return NEW


def code_of(task: object, **flags: object) -> int:
    try:
        task.body(None, **flags)  # type: ignore[attr-defined]
    except Exit as exit:
        return int(exit.code)
    return 0


def test_a_good_environment(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0, the file, the reason for it, and every timeout."""
    assert code_of(check) == 0
    assert (
        capsys.readouterr().out
        == f"""\
prod, the only environment file in {file.parent}: {file}

timeouts
  longest_generation_s          120 s  the number that the others follow from
  load_balancer_idle_s          165 s  longer than the front reads, so that the front decides
  front_keepalive_s             180 s  longer than the load balancer keeps an idle connection
  front_read_s                  150 s  the longest answer and its wait in the queue
  front_upstream_keepalive_s     60 s  how long the front keeps an idle connection to the engine
  engine_keepalive_s             75 s  longer than the front keeps it
  deregistration_delay_s        150 s  answers in flight end before a host leaves
  engine_shutdown_s             120 s  a stopping engine finishes its longest answer
  compose_grace_s               150 s  and gets the time to take its workers down

warnings
  fleet.ami: is not pinned yet: `pulumi up` will refuse
    run `fab config.refresh-ami --env prod`

ok
"""
    )


def test_a_bad_environment(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and each problem with its next step."""
    file.write_text(TEXT.replace("hosts: 2", "hostz: 2\n    zones: 9"))
    assert code_of(check, env="prod") == 2
    assert (
        capsys.readouterr().out
        == f"""\
prod, named by --env: {file}

problems
  fleet.hostz: unknown key
    did you mean hosts?
  fleet.zones: 9 is not between 1 and 6 zones

2 problems
"""
    )


def test_json_is_all_there_is(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--json prints one document with ok, problems and the timeouts."""
    assert code_of(check, env="prod", json=True) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["ok"], document["problems"]) == (True, [])
    assert document["file"] == str(file)
    assert document["timeouts"]["compose_grace_s"] == 150


def test_json_of_an_unknown_environment(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A name without a file is a problem like any other, and exit code 2."""
    assert code_of(check, env="prd", json=True) == 2
    document = json.loads(capsys.readouterr().out)
    assert document["problems"] == [
        {
            "path": "environment",
            "message": "there is no environment 'prd'",
            "hint": "known environments: prod",
        }
    ]


def test_refresh_writes_the_newest_image(
    file: Path, newest: Image, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only the id changes in the file, and what was written is told as JSON."""
    assert code_of(refresh_ami, env="prod", yes=True, json=True) == 0
    assert file.read_text() == TEXT.replace("null", newest.id)
    assert json.loads(capsys.readouterr().out) == {
        "ok": True,
        "pinned": None,
        "old": None,
        "new": {"id": newest.id, "name": newest.name, "created": newest.created},
        "written": True,
    }


@pytest.mark.usefixtures("newest")
def test_refresh_twice_changes_nothing(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The newest image again is nothing to do."""
    assert code_of(refresh_ami, env="prod", yes=True) == 0
    written = file.stat().st_mtime_ns
    assert code_of(refresh_ami, env="prod", yes=True) == 0
    assert file.stat().st_mtime_ns == written
    assert capsys.readouterr().err.endswith("nothing to do: that is the newest\n")


@pytest.mark.usefixtures("newest")
@pytest.mark.parametrize(("answer", "writes"), [("y", True), ("n", False), ("", False)])
def test_refresh_asks(
    file: Path, monkeypatch: pytest.MonkeyPatch, answer: str, writes: bool
) -> None:
    """Without --yes a person decides; anything but yes leaves the file alone."""
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda: answer)
    assert code_of(refresh_ami, env="prod") == 0
    assert (NEW.id in file.read_text()) is writes


@pytest.mark.usefixtures("newest")
@pytest.mark.parametrize("flags", [{}, {"json": True}])
def test_refresh_never_guesses_a_yes(
    file: Path, monkeypatch: pytest.MonkeyPatch, flags: dict[str, bool]
) -> None:
    """Where nobody can answer, the file stays and the exit code says wrong usage."""
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    assert code_of(refresh_ami, env="prod", **flags) == 2
    assert file.read_text() == TEXT
