"""Environment files: find them, read them, choose one. The only reader of files down here."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from provision.config.environment import Environment
from provision.config.parse import parse
from provision.errors import ConfigError, Problem, UsageError

VARIABLE = "LLM_FLEET_ENV"
REHEARSAL = "rehearsal"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which environment, and in words why that one."""

    name: str
    source: str


def load(name: str, *, folder: Path, standing: Path | None = None) -> Environment:
    """The environment *name* of the project in *folder*.

    *standing* is the file of a rehearsal that still stands; for ``rehearsal`` it wins where it
    exists. Raises ConfigError: unknown environment, bad YAML (with its line), or all problems.
    """
    path = environment_file(name, folder=folder, standing=standing)
    return parse(name, read_document(path), source=str(path))


def select(flag: str | None, *, environ: Mapping[str, str], folder: Path, home: Path) -> Selection:
    """The flag, else ``LLM_FLEET_ENV``, else the stack that Pulumi selected, else the only one.

    Raises UsageError when none of these says which.
    """
    if flag:
        return Selection(flag, "named by --env")
    if environ.get(VARIABLE):
        return Selection(environ[VARIABLE], f"named by {VARIABLE}")
    stack = selected_stack(environ=environ, folder=folder, home=home)
    if stack:
        return Selection(stack, "the stack selected in Pulumi")
    names = known(folder)
    if len(names) == 1:
        return Selection(names[0], f"the only environment file in {folder}")
    raise UsageError(
        f"which environment? {folder} has {', '.join(names) or 'none'}",
        hint=f"add --env NAME, set {VARIABLE}, or `pulumi stack select NAME`",
    )


def project_folder(inside: Path) -> Path:
    """The folder with ``Pulumi.yaml``, at or above *inside*; *inside* itself if there is none."""
    for folder in (inside, *inside.parents):
        if (folder / "Pulumi.yaml").exists():
            return folder
    return inside


def known(folder: Path) -> tuple[str, ...]:
    """Names of the environments that *folder* describes, in order."""
    files = folder.glob("Pulumi.*.yaml")
    return tuple(sorted(file.name.removeprefix("Pulumi.").removesuffix(".yaml") for file in files))


def environment_file(name: str, *, folder: Path, standing: Path | None = None) -> Path:
    """Where the environment *name* is described. Raises ConfigError when nowhere."""
    if name == REHEARSAL and standing is not None and standing.exists():
        return standing
    path = folder / f"Pulumi.{name}.yaml"
    if name in known(folder):
        return path
    names = ", ".join(known(folder))
    hint = f"known environments: {names}" if names else f"is {folder} the project's folder?"
    raise ConfigError(
        str(path), [Problem("environment", f"there is no environment {name!r}", hint)]
    )


def standing_rehearsal(home: Path) -> Path:
    """Where a rehearsal that was left standing keeps its environment file."""
    return home / ".cache" / "llm-fleet" / "rehearsal" / f"Pulumi.{REHEARSAL}.yaml"


def selected_stack(*, environ: Mapping[str, str], folder: Path, home: Path) -> str | None:
    """The stack that ``pulumi stack select`` chose for the project in *folder*.

    Pulumi keeps it in a file named by the project and the SHA-1 of its project file's path.
    """
    project_file = folder / "Pulumi.yaml"
    if not project_file.exists():
        return None
    project = read_document(project_file).get("name")
    workspaces = Path(environ.get("PULUMI_HOME") or home / ".pulumi") / "workspaces"
    for spelling in dict.fromkeys((project_file.absolute(), project_file.resolve())):
        digest = hashlib.sha1(str(spelling).encode(), usedforsecurity=False).hexdigest()
        try:
            text = (workspaces / f"{project}-{digest}-workspace.json").read_text()
            stack = json.loads(text).get("stack")
        except (OSError, ValueError, AttributeError):
            continue
        if isinstance(stack, str) and stack:
            return stack.rpartition("/")[2]  # organization/project/stack
    return None


def read_document(path: Path) -> Mapping[Any, Any]:
    """A YAML file's mapping. Raises ConfigError that names the line of a mistake."""
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506  # a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "file"
        raise ConfigError(str(path), [Problem(where, error.problem or "not YAML")]) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(str(path), [Problem("file", f"can't be read: {error}")]) from error
    if not isinstance(document, Mapping):
        raise ConfigError(str(path), [Problem("file", "holds no keys and values")])
    return document


def rewrite(path: Path, text: str) -> None:
    """Replace a file's content whole or not at all, keeping its permissions."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(path.stat().st_mode & 0o7777)
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)


class _Loader(yaml.SafeLoader):
    """Refuses a key that is written twice; YAML would silently take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key!r} is written twice", problem_mark=key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)
