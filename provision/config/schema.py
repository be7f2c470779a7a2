"""Read plain data into a dataclass by the dataclass's own fields and types.

Knows nothing about environments. What doesn't fit becomes a problem at its dotted path and the
field keeps its default (``""`` where it has none), so that whoever goes on can still look at
everything else.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any, TypeVar

from provision.errors import Problem

T = TypeVar("T")

MISSING = "is missing"

_WORDS: dict[type, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}


class _Misfit(Exception):
    """A value that its field can't hold; paths are relative to it, "" for the value itself."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(problems)
        self.problems = problems


def _misfit(message: str, hint: str = "") -> _Misfit:
    return _Misfit(Problem("", message, hint))


def read(shape: type[T], data: Mapping[Any, Any], path: str = "") -> tuple[T, list[Problem]]:
    """*data* as a *shape*, and what didn't fit. Keys are the names of the fields, all optional
    where the field has a default."""
    known = {field.name: field for field in dataclasses.fields(shape)}  # type: ignore[arg-type]
    problems = [unknown_key(join(path, key), str(key), known) for key in data if key not in known]
    values: dict[str, Any] = {}
    for name, hint in typing.get_type_hints(shape).items():
        value, found = _field(known[name], hint, data, join(path, name))
        problems += found
        if value is not dataclasses.MISSING:
            values[name] = value
    return shape(**values), problems


def unknown_key(path: str, key: str, known: Iterable[str]) -> Problem:
    """The problem of a key that nobody knows, with the nearest one that somebody does."""
    names = list(known)
    nearest = difflib.get_close_matches(key, names, n=1, cutoff=0.5)
    hint = f"did you mean {nearest[0]}?" if nearest else f"known keys: {', '.join(names)}"
    return Problem(path, "unknown key", hint)


def join(path: str, key: object) -> str:
    """``fleet`` and ``hosts`` make ``fleet.hosts``."""
    return f"{path}.{key}" if path else str(key)


def concerns(path: str, field: str) -> bool:
    """Whether a problem's *path* is *field*, something in it (``a.b[2]``), or its section."""
    return (
        path == field or path.startswith((f"{field}.", f"{field}[")) or field.startswith(f"{path}.")
    )


def shown(value: object) -> str:
    """A value as a person would recognise it in an error."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _field(
    field: dataclasses.Field[Any], hint: Any, data: Mapping[Any, Any], path: str
) -> tuple[Any, list[Problem]]:
    required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    fallback = "" if required else dataclasses.MISSING
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _section(hint, data.get(field.name), path)
    if field.name not in data:
        return fallback, [Problem(path, MISSING)] if required else []
    try:
        return _convert(hint, data[field.name]), []
    except _Misfit as misfit:
        return fallback, [replace(each, path=path + each.path) for each in misfit.problems]


def _section(shape: type[T], raw: object, path: str) -> tuple[T, list[Problem]]:
    if _empty(raw):
        return read(shape, {}, path)
    if isinstance(raw, Mapping):
        return read(shape, raw, path)
    value, _ = read(shape, {}, path)
    names = ", ".join(field.name for field in dataclasses.fields(shape))  # type: ignore[arg-type]
    return value, [Problem(path, f"expected keys and values, got {shown(raw)}", f"keys: {names}")]


def _convert(hint: Any, raw: object) -> Any:
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        return _union(typing.get_args(hint), raw)
    if origin is tuple:
        return _items(typing.get_args(hint)[0], raw)
    if origin is dict:
        return _pairs(typing.get_args(hint)[1], raw)
    if issubclass(hint, StrEnum):
        return _member(hint, raw)
    return _scalar(hint, raw)


def _union(hints: tuple[Any, ...], raw: object) -> Any:
    """One of several types; ``null`` and an empty value mean "not said" where None is allowed."""
    if type(None) in hints and _empty(raw):
        return None
    wanted = [hint for hint in hints if hint is not type(None)]
    if len(wanted) == 1:
        return _convert(wanted[0], raw)
    if type(raw) in wanted:
        return raw
    words = ", ".join(_WORDS[hint] for hint in wanted)
    raise _misfit(f"expected one of {words}; got {shown(raw)}")


def _items(hint: Any, raw: object) -> tuple[Any, ...]:
    if not isinstance(raw, list | tuple):
        raise _misfit(f"expected a list, got {shown(raw)}", f"write [{raw}]")
    return tuple(_each(hint, {f"[{index}]": item for index, item in enumerate(raw)}).values())


def _pairs(hint: Any, raw: object) -> dict[str, Any]:
    if _empty(raw):
        return {}
    if not isinstance(raw, Mapping):
        raise _misfit(f"expected keys and values, got {shown(raw)}")
    converted = _each(hint, {f".{key}": value for key, value in raw.items()})
    return {key[1:]: value for key, value in converted.items()}


def _each(hint: Any, items: Mapping[str, Any]) -> dict[str, Any]:
    """Convert every item, or raise with the problems of all that don't fit."""
    converted: dict[str, Any] = {}
    problems: list[Problem] = []
    for where, item in items.items():
        try:
            converted[where] = _convert(hint, item)
        except _Misfit as misfit:
            problems += [replace(each, path=where + each.path) for each in misfit.problems]
    if problems:
        raise _Misfit(*problems)
    return converted


def _member(hint: type[StrEnum], raw: object) -> StrEnum:
    allowed = [member.value for member in hint]
    if raw in allowed:
        return hint(raw)
    nearest = difflib.get_close_matches(str(raw), allowed, n=1, cutoff=0.5)
    raise _misfit(
        f"{shown(raw)} is not one of {', '.join(allowed)}",
        f"did you mean {nearest[0]}?" if nearest else "",
    )


def _scalar(hint: type, raw: object) -> Any:
    if hint is float and type(raw) is int:
        return float(raw)
    if type(raw) is hint and not (isinstance(raw, float) and not math.isfinite(raw)):
        return raw
    raise _misfit(f"expected {_WORDS[hint]}, got {_described(raw)}", _advice(hint, raw))


def _described(raw: object) -> str:
    if raw is None:
        return "nothing"
    if isinstance(raw, bool):
        return str(raw).lower()
    return f"text {shown(raw)}" if isinstance(raw, str) else shown(raw)


def _advice(hint: type, raw: object) -> str:
    if hint is str and raw is not None and not isinstance(raw, list | Mapping):
        return "put it in quotes"
    if hint in (int, float) and isinstance(raw, str) and raw.replace(".", "", 1).isdigit():
        return f"write {raw} without quotes"
    return ""


def _empty(raw: object) -> bool:
    return raw is None or raw == ""
