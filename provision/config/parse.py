"""A Pulumi stack file's content, read into an :class:`Environment`: every problem at once.

The file has one key per section, ``llm-fleet:<section>``, beside ``aws:region``; the keys inside
are the dataclasses' fields. What only AWS or the catalogue can say (is the type sold in that
region?) is not asked here: see :mod:`provision.config.check`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from provision.config import presets, relations, rules
from provision.config.environment import Environment
from provision.config.schema import MISSING, concerns, join, read, unknown_key
from provision.errors import ConfigError, Problem

NAMESPACE = "llm-fleet:"
REGION = "aws:region"
SECTIONS = tuple(f.name for f in fields(Environment) if f.name not in ("name", "region"))
KEYS = (REGION, *(NAMESPACE + section for section in SECTIONS))
# What Pulumi itself writes beside `config`, to encrypt secrets that we don't keep there.
_PULUMI = ("config", "secretsprovider", "encryptedkey", "encryptionsalt")


@dataclass(frozen=True, slots=True)
class Reading:
    """What could be made of a document. Where there are problems, the values that they are about
    are not to be used; ``environment`` is None when there was nothing to read at all."""

    environment: Environment | None
    problems: tuple[Problem, ...]


def parse(name: str, document: Mapping[Any, Any], *, source: str) -> Environment:
    """The environment *name* that *document* describes; *source* is the file's name in errors.

    Raises ConfigError with all problems of the document.
    """
    reading = examine(name, document)
    if reading.problems or reading.environment is None:
        raise ConfigError(source, reading.problems)
    return reading.environment


def examine(name: str, document: Mapping[Any, Any]) -> Reading:
    """Read as much as possible. Problems are in the answer, never raised."""
    config, problems = _config(document)
    if config is None:
        return Reading(None, tuple(problems))
    settings, strange = _settings(config)
    environment, misfits = read(Environment, {**settings, "name": name})
    problems += strange + misfits
    problems += _broken_rules(environment, [problem.path for problem in problems])
    return Reading(environment, tuple(_as_written(problem) for problem in problems))


def _broken_rules(environment: Environment, known: list[str]) -> list[Problem]:
    """Problems of the values themselves, saying nothing more about *known* paths."""
    single = [
        problem
        for problem in rules.check(environment)
        if not any(concerns(path, problem.path.partition("[")[0]) for path in known)
    ]
    known = known + [problem.path for problem in single]
    return single + list(relations.check(environment, except_for=known))


def _config(document: Mapping[Any, Any]) -> tuple[Mapping[Any, Any] | None, list[Problem]]:
    problems = [unknown_key(str(key), str(key), _PULUMI) for key in document if key not in _PULUMI]
    config = document.get("config")
    if isinstance(config, Mapping):
        return config, problems
    return None, [*problems, Problem("config", "is missing", "everything stands under config:")]


def _settings(config: Mapping[Any, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """The file's sections under their field names, completed by the preset."""
    problems = [_stranger(str(key)) for key in config if key not in KEYS]
    written = {key.removeprefix(NAMESPACE): config[key] for key in KEYS if key in config}
    if REGION in written:
        written["region"] = written.pop(REGION)
    settings, encrypted = _without_secrets(written)
    problems += encrypted
    model, engine = settings.get("model"), settings.get("engine") or {}
    if isinstance(model, Mapping) and isinstance(engine, Mapping):
        settings["engine"] = presets.fill(engine, model.get("preset"))
    return settings, problems


def _stranger(key: str) -> Problem:
    if key in SECTIONS:
        return Problem(key, "unknown key", f"did you mean {NAMESPACE}{key}?")
    if key == "aws:profile":
        return Problem(key, "unknown key", f"write {NAMESPACE}aws: {{profile: ...}}")
    return unknown_key(key, key, KEYS)


def _without_secrets(
    values: Mapping[Any, Any], path: str = ""
) -> tuple[dict[Any, Any], list[Problem]]:
    """Leave out what Pulumi encrypted: Fabric can't read it, and needs none of it."""
    kept: dict[Any, Any] = {}
    problems: list[Problem] = []
    for key, value in values.items():
        here = join(path, key)
        if _is_encrypted(value):
            hint = "write it in clear; what is secret lives in Secrets Manager"
            problems.append(Problem(here, "is encrypted by Pulumi", hint))
        elif isinstance(value, Mapping):
            kept[key], found = _without_secrets(value, here)
            problems += found
        else:
            kept[key] = value
    return kept, problems


def _is_encrypted(value: object) -> bool:
    return isinstance(value, Mapping) and set(value) == {"secure"}


def _as_written(problem: Problem) -> Problem:
    """A problem with a top-level value named by the key that the file has for it."""
    if problem.path == "region":
        return replace(problem, path=REGION)
    if problem.path in SECTIONS and problem.message == MISSING:
        return replace(problem, hint=f"write {NAMESPACE}{problem.path}: ...")
    return problem
