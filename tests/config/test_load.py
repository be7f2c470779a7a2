"""Finding, choosing and rewriting environment files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from provision.config.load import (
    Selection,
    environment_file,
    known,
    load,
    project_folder,
    rewrite,
    select,
    standing_rehearsal,
)
from provision.errors import ConfigError, UsageError

ROOT = Path(__file__).parent.parent.parent
TEXT = """\
config:
  aws:region: us-east-1
  llm-fleet:owner: platform
  llm-fleet:model: {name: mistral-7b}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with two environments."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "Pulumi.yaml").write_text("name: llm-fleet\nruntime: python\n")
    for name in ("dev", "prod"):
        (project / f"Pulumi.{name}.yaml").write_text(TEXT)
    return project


def select_stack(home: Path, folder: Path, stack: str) -> None:
    """Do what ``pulumi stack select`` does."""
    digest = hashlib.sha1(str(folder / "Pulumi.yaml").encode()).hexdigest()
    workspaces = home / ".pulumi" / "workspaces"
    workspaces.mkdir(parents=True)
    (workspaces / f"llm-fleet-{digest}-workspace.json").write_text(json.dumps({"stack": stack}))


def test_the_shipped_environments() -> None:
    """The project describes four environments, and each of them loads."""
    assert known(ROOT) == ("dev", "prod", "prod-70b", "rehearsal")
    fleets = {name: load(name, folder=ROOT).fleet for name in known(ROOT)}
    assert {n: (f.instance_type, f.hosts, f.zones) for n, f in fleets.items()} == {
        "dev": ("g5.xlarge", 1, 1),
        "prod": ("g5.xlarge", 2, 2),
        "prod-70b": ("p4d.24xlarge", 1, 1),
        "rehearsal": ("g5.xlarge", 2, 2),
    }


def test_an_unknown_environment_lists_the_known_ones(folder: Path) -> None:
    """The error names the file that was looked for and the environments that exist."""
    with pytest.raises(ConfigError) as caught:
        load("prd", folder=folder)
    assert caught.value.source == str(folder / "Pulumi.prd.yaml")
    assert [(p.path, p.message, p.hint) for p in caught.value.problems] == [
        ("environment", "there is no environment 'prd'", "known environments: dev, prod")
    ]
    assert caught.value.exit_code == 2


def test_a_name_is_no_path(folder: Path) -> None:
    """A name that leads out of the folder is an unknown environment."""
    with pytest.raises(ConfigError, match="there is no environment"):
        load("x/../dev", folder=folder)


def test_the_flag_wins(folder: Path, tmp_path: Path) -> None:
    """--env beats the variable, which beats Pulumi's choice, which beats nothing."""
    select_stack(tmp_path, folder, "dev")
    environ = {"LLM_FLEET_ENV": "prod"}

    assert select("x", environ=environ, folder=folder, home=tmp_path) == Selection(
        "x", "named by --env"
    )
    assert select(None, environ=environ, folder=folder, home=tmp_path) == Selection(
        "prod", "named by LLM_FLEET_ENV"
    )
    assert select(None, environ={}, folder=folder, home=tmp_path) == Selection(
        "dev", "the stack selected in Pulumi"
    )


def test_a_fully_named_stack_is_an_environment(folder: Path, tmp_path: Path) -> None:
    """Pulumi's service writes organization/project/stack; the stack is the environment."""
    select_stack(tmp_path, folder, "acme/llm-fleet/prod")
    assert select(None, environ={}, folder=folder, home=tmp_path).name == "prod"


def test_pulumi_may_keep_its_files_elsewhere(folder: Path, tmp_path: Path) -> None:
    """PULUMI_HOME is where Pulumi keeps its choice, when it is set."""
    select_stack(tmp_path, folder, "dev")
    environ = {"PULUMI_HOME": str(tmp_path / ".pulumi")}
    assert select(None, environ=environ, folder=folder, home=Path("/nowhere")).name == "dev"


def test_no_choice_lists_what_there_is(folder: Path, tmp_path: Path) -> None:
    """With several environments and no word about which, nothing is guessed."""
    with pytest.raises(UsageError, match="has dev, prod"):
        select(None, environ={}, folder=folder, home=tmp_path)


def test_the_only_environment_needs_no_choice(folder: Path, tmp_path: Path) -> None:
    """One file is a choice in itself."""
    (folder / "Pulumi.dev.yaml").unlink()
    selection = select(None, environ={}, folder=folder, home=tmp_path)
    assert selection == Selection("prod", f"the only environment file in {folder}")


def test_another_project_s_stack_does_not_count(folder: Path, tmp_path: Path) -> None:
    """Pulumi's choice belongs to one project folder."""
    select_stack(tmp_path, tmp_path / "another", "dev")
    with pytest.raises(UsageError):
        select(None, environ={}, folder=folder, home=tmp_path)


def test_a_standing_rehearsal_wins(folder: Path, tmp_path: Path) -> None:
    """While a rehearsal stands, `rehearsal` is the environment that it wrote, and no other is."""
    standing = standing_rehearsal(tmp_path)
    (folder / "Pulumi.rehearsal.yaml").write_text(TEXT)
    assert environment_file("rehearsal", folder=folder, standing=standing).parent == folder

    standing.parent.mkdir(parents=True)
    standing.write_text(TEXT.replace("platform", "stands"))

    assert load("rehearsal", folder=folder, standing=standing).owner == "stands"
    assert load("rehearsal", folder=folder).owner == "platform"
    assert load("prod", folder=folder, standing=standing).owner == "platform"


def test_the_project_is_found_from_inside(folder: Path, tmp_path: Path) -> None:
    """A task may be typed in any folder of the project."""
    inside = folder / "docs" / "deep"
    inside.mkdir(parents=True)
    assert project_folder(inside) == folder
    assert project_folder(tmp_path) == tmp_path


def test_rewriting_is_whole_and_keeps_permissions(tmp_path: Path) -> None:
    """The new content stands under the old name and mode, and nothing else is left behind."""
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text("old")
    file.chmod(0o640)

    rewrite(file, "new")

    assert file.read_text() == "new"
    assert file.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [file]
