"""Models by name."""

from __future__ import annotations

import re

import pytest

from provision.catalog.model import Model
from provision.catalog.models import model, models
from provision.errors import CatalogError

ROWS = pytest.mark.parametrize("row", models().values(), ids=lambda row: row.name)


@ROWS
def test_a_revision_is_a_commit_or_unknown(row: Model) -> None:
    """Pinned means a full commit hash; a branch name would move."""
    assert row.revision is None or re.fullmatch("[0-9a-f]{40}", row.revision)


@ROWS
def test_the_shapes_agree_with_each_other(row: Model) -> None:
    """KV heads divide attention heads, and the row says how sure it is and why."""
    assert row.attention_heads % row.kv_heads == 0
    assert row.status in ("seen", "derived", "memory")
    assert row.source


@ROWS
def test_weights_take_the_bytes_of_their_type(row: Model) -> None:
    """Two bytes a parameter, one for FP8, half of one for AWQ; embeddings stay at two."""
    bytes_each = row.weights_gib * 2**30 / (row.params_b * 1e9)
    low, high = {None: (1.99, 2.01), "fp8": (1.0, 1.2), "awq": (0.5, 0.75)}[row.quantization]
    assert low <= bytes_each <= high


def test_the_issue_s_models_are_there() -> None:
    """What people ask for by a short name."""
    wanted = {"mistral-7b", "llama-3.1-8b", "qwen2.5-7b", "qwen3-8b", "qwen3-14b", "qwen3-32b"}
    wanted |= {"llama-3.1-70b", "mistral-7b-awq", "llama-3.1-8b-fp8", "mistral-7b-base"}
    assert wanted <= set(models())


def test_a_model_goes_by_its_repository_too() -> None:
    """The Hub's name finds the same row."""
    assert model("Qwen/Qwen3-8B") is model("qwen3-8b")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("mistral-7", "unknown model 'mistral-7'\n  next: did you mean mistral-7b or "),
        ("Qwen/Qwen3-8", "next: did you mean Qwen/Qwen3-8B or "),
        ("acme/llm", "Or bring its config.json: --config-json FILE"),
        ("zzz", "next: known: llama-3.1-70b, "),
    ],
)
def test_an_unknown_model_says_what_to_do(name: str, said: str) -> None:
    """Nearest names, and for a repository the way to bring its own numbers."""
    with pytest.raises(CatalogError) as caught:
        model(name)
    assert said in str(caught.value)
