"""Models that can be named, and those that bring their own config.json."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from provision.catalog.lookup import read_yaml, unknown
from provision.catalog.model import Model
from provision.catalog.model_config import from_config

__all__ = ["Model", "from_config", "model", "models"]

_COLUMNS = {"repository", "revision", "params_b", "layers", "hidden_size", "attention_heads"}
_COLUMNS |= {"kv_heads", "head_dim", "max_context", "dtype", "quantization", "weights_gib"}
_COLUMNS |= {"licence", "gated", "chat", "status", "source"}


def model(name: str) -> Model:
    """The model called *name*, or the one whose repository is called so.

    Raises CatalogError with the nearest names; for ``org/name`` it says how to bring a config.json.
    """
    known = models()
    if name in known:
        return known[name]
    by_repository = {model.repository: model for model in known.values()}
    if name in by_repository:
        return by_repository[name]
    hint = "Or bring its config.json: --config-json FILE" if "/" in name else ""
    raise unknown("model", name, [*known, *by_repository] if "/" in name else known, hint=hint)


@cache
def models() -> Mapping[str, Model]:
    """All models of the catalogue by name."""
    rows = read_yaml("models.yaml")
    return MappingProxyType({name: _model(name, row) for name, row in rows.items()})


def _model(name: str, row: dict[str, Any]) -> Model:
    return Model(name=name, **{column: row[column] for column in _COLUMNS})
