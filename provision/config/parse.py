"""A Pulumi stack file's content, read into an :class:`Environment`: every problem at once.

The file has one key per section, ``llm-fleet:<section>``, beside ``aws:region``; the keys inside
are the dataclasses' fields. What only AWS or the catalogue can say (is the type sold in that
region?) is not asked here: see :mod:`provision.config.check`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

from provision.config import presets, relations, rules
from provision.config.environment import Environment
from provision.config.schema import read, unknown_key
from provision.errors import ConfigError, Problem

NAMESPACE = "llm-fleet:"
REGION = "aws:region"
SECTIONS = tuple(f.name for f in fields(Environment) if f.name not in ("name", "region"))
KEYS = (REGION, *(NAMESPACE + section for section in SECTIONS))
# What Pulumi itself writes beside `config`, to encrypt secrets that we don't keep there.
_PULUMI = ("config", "secretsprovider", "encryptedkey", "encryptionsalt")


def parse(name: str, document: Mapping[Any, Any], *, source: str) -> Environment:
    """The environment *name* that *document* describes; *source* is the file's name in errors.

    Raises ConfigError with all problems of the document.
    """
    settings, problems = _settings(document)
    environment, misfits = read(Environment, {**settings, "name": name})
    problems += misfits
    problems += check(environment, except_for=[problem.path for problem in problems])
    if problems:
        raise ConfigError(source, [_as_written(problem) for problem in problems])
    return environment


def check(environment: Environment, *, except_for: Iterable[str] = ()) -> list[Problem]:
    """Problems of the values themselves; nothing more is said about fields in *except_for*."""
    known = set(except_for)
    broken = [problem for problem in rules.check(environment) if _field(problem) not in known]
    known |= {_field(problem) for problem in broken}
    return broken + list(relations.check(environment, except_for=known))


def _settings(document: Mapping[Any, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """The document's sections under their field names, completed by the preset."""
    problems = [unknown_key(str(key), str(key), _PULUMI) for key in document if key not in _PULUMI]
    config = document.get("config")
    if not isinstance(config, Mapping):
        return {}, [*problems, Problem("config", "is missing", "the stack file's one section")]
    problems += [_stranger(str(key)) for key in config if key not in KEYS]
    settings = {key.removeprefix(NAMESPACE): config[key] for key in KEYS if key in config}
    if REGION in settings:
        settings["region"] = settings.pop(REGION)
    problems += _secrets(settings)
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


def _secrets(settings: dict[str, Any]) -> list[Problem]:
    """Values that Pulumi encrypted. Fabric can't read them, and needs none of them."""
    found = [key for key, value in settings.items() if _is_encrypted(value)]
    found += [
        f"{section}.{key}"
        for section, values in settings.items()
        if isinstance(values, Mapping)
        for key, value in values.items()
        if _is_encrypted(value)
    ]
    return [
        Problem(
            path, "is encrypted by Pulumi", "secrets live in Secrets Manager; see `fab keys.add`"
        )
        for path in found
    ]


def _is_encrypted(value: object) -> bool:
    return isinstance(value, Mapping) and set(value) == {"secure"}


def _field(problem: Problem) -> str:
    """The field of a problem: ``a.b`` for one of its items, ``a.b[2]``."""
    return problem.path.partition("[")[0]


def _as_written(problem: Problem) -> Problem:
    return replace(problem, path=REGION) if problem.path == "region" else problem
