"""Check a call's parameters against botocore's model of the service, further than botocore does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rehearsal.strict.patterns import compiled


def violations(shape: Any, value: Any, path: str = "") -> Iterator[str]:
    """What is wrong with *value* as a *shape* (botocore's), each with its dotted path."""
    kind = shape.type_name
    if kind == "structure":
        yield from _structure(shape, value, path)
    elif kind == "list":
        yield from _list(shape, value, path)
    elif kind == "map":
        yield from _map(shape, value, path)
    elif kind == "string":
        yield from _string(shape, value, path)
    elif kind in {"integer", "long", "float", "double"}:
        yield from _number(shape, value, path)


def _structure(shape: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path or 'parameters'}: not a structure"
        return
    for name in shape.required_members:
        if value.get(name) is None:
            yield f"{_join(path, name)}: missing"
    for name, member in value.items():
        if name not in shape.members:
            yield f"{_join(path, name)}: unknown (known: {', '.join(sorted(shape.members))})"
        elif member is not None:
            yield from violations(shape.members[name], member, _join(path, name))


def _list(shape: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, list | tuple):
        yield f"{path}: not a list"
        return
    yield from _size(shape, len(value), path, "items")
    for i, item in enumerate(value):
        yield from violations(shape.member, item, f"{path}[{i}]")


def _map(shape: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: not a map"
        return
    yield from _size(shape, len(value), path, "entries")
    for key, item in value.items():
        yield from violations(shape.key, key, f"{path} key {key!r}")
        yield from violations(shape.value, item, f"{path}[{key!r}]")


def _string(shape: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, str):
        yield f"{path}: {value!r} is not text"
        return
    yield from _size(shape, len(value), path, "characters")
    if shape.enum and value not in shape.enum:
        yield f"{path}: {value!r} is not one of {_some(shape.enum)}"
    pattern = shape.metadata.get("pattern")
    expression = compiled(pattern) if pattern else None
    if expression is not None and not expression.fullmatch(value):
        yield f"{path}: {_short(value)} does not match {pattern}"


def _number(shape: Any, value: Any, path: str) -> Iterator[str]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        yield f"{path}: {value!r} is not a number"
        return
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if (low is not None and value < low) or (high is not None and value > high):
        yield f"{path}: {value} is not between {low} and {high}"


def _size(shape: Any, size: int, path: str, unit: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if (low is not None and size < low) or (high is not None and size > high):
        yield f"{path}: {size} {unit}, allowed are {low or 0} to {high or 'any number'}"


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _some(values: list[str]) -> str:
    return ", ".join(values[:12]) + (", ..." if len(values) > 12 else "")


def _short(value: str) -> str:
    return repr(value if len(value) <= 60 else value[:57] + "...")
