"""``--usage key=value,...`` over what the environment's file says about a month."""

from __future__ import annotations

import dataclasses
import typing
from typing import TYPE_CHECKING, Any

from playbooks.amounts import number
from provision.errors import UsageError

if TYPE_CHECKING:
    from provision.config.environment import Environment


def overridden(environment: Environment, said: str | None) -> Environment:
    """*environment* with the usage that ``--usage`` says: ``requests_per_month=5M`` and the like.

    Raises UsageError for an unknown key (with the nearest), a value that is none, or one that the
    rules of the environment's file refuse.
    """
    from provision.config.rules import RULES
    from provision.config.schema import shown

    usage = dataclasses.replace(environment.usage, **_values(said or ""))
    for path, rule in RULES.items():
        section, _, name = path.partition(".")
        value = getattr(usage, name) if section == "usage" else None
        if value is not None and not rule.holds(value):
            raise UsageError(f"--usage {name}={shown(value)} is not {rule.says}")
    return dataclasses.replace(environment, usage=usage)


def _values(said: str) -> dict[str, Any]:
    pairs = (pair.strip() for pair in said.split(","))
    return dict(_value(pair) for pair in pairs if pair)


def _value(pair: str) -> tuple[str, Any]:
    from provision.catalog.lookup import nearest
    from provision.config.environment import UsageSettings

    name, separator, text = (part.strip() for part in pair.partition("="))
    hints = typing.get_type_hints(UsageSettings)
    if name not in hints:
        close = " or ".join(nearest(name, hints)) or ", ".join(hints)
        raise UsageError(f"--usage: there is no {name!r}", hint=f"did you mean {close}?")
    if not separator or not text:
        raise UsageError(f"--usage {name}: which value?", hint=f"say {name}=VALUE")
    return name, _converted(name, hints[name], text)


def _converted(name: str, hint: Any, text: str) -> Any:
    if hint in (str, str | None):
        return text
    value = number(f"--usage {name}", text)
    if hint is not int:
        return float(value)
    if value != value.to_integral_value():
        raise UsageError(f"--usage {name}={text} is no whole number")
    return int(value)
