"""An :class:`Environment` written back as a stack file that parses to the same value."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import Any

import yaml

from provision.config.environment import Environment
from provision.config.parse import NAMESPACE, REGION


def dump(environment: Environment) -> str:
    """The text of ``Pulumi.<name>.yaml``: every key, defaults too, no comments.

    Everything is said, so nothing is left for a preset to fill.
    """
    config: dict[str, Any] = {REGION: environment.region}
    for section, value in asdict(environment).items():
        if section not in ("name", "region"):
            config[NAMESPACE + section] = _plain(value)
    # All but ASCII escaped: U+0085, written as it is, would come back as a space.
    text: str = yaml.safe_dump({"config": config}, sort_keys=False, width=100)
    return text


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return list(value)
    return value.value if isinstance(value, StrEnum) else value
