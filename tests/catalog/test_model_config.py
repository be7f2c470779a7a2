"""A model from its own config.json."""

from __future__ import annotations

from typing import Any

import pytest

from provision.catalog.models import from_config, model
from provision.errors import CatalogError

LLAMA_8B: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "torch_dtype": "bfloat16",
}
MISTRAL_7B = {**LLAMA_8B, "vocab_size": 32768, "max_position_embeddings": 32768}
QWEN_7B = {
    **LLAMA_8B,
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "vocab_size": 152064,
    "sliding_window": 131072,
    "use_sliding_window": False,
}
LLAMA_70B = {
    **LLAMA_8B,
    "hidden_size": 8192,
    "intermediate_size": 28672,
    "num_hidden_layers": 80,
    "num_attention_heads": 64,
}
QWEN3_4B = {
    **LLAMA_8B,
    "hidden_size": 2560,
    "intermediate_size": 9728,
    "num_hidden_layers": 36,
    "head_dim": 128,
    "vocab_size": 151936,
    "tie_word_embeddings": True,
}
FP8 = {"quant_method": "fp8"}
MODELOPT = {"quant_method": "modelopt", "quant_algo": "FP8"}
AWQ = {"quant_method": "awq", "bits": 4, "group_size": 128}
W4A16 = {
    "quant_method": "compressed-tensors",
    "config_groups": {"group_0": {"weights": {"num_bits": 4}}},
}


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (LLAMA_8B, "llama-3.1-8b"),
        (MISTRAL_7B, "mistral-7b"),
        (QWEN_7B, "qwen2.5-7b"),
        (QWEN3_4B, "qwen3-4b"),
        (LLAMA_70B, "llama-3.1-70b"),
        ({**LLAMA_8B, "quantization_config": FP8}, "llama-3.1-8b-fp8"),
        ({**LLAMA_70B, "quantization_config": MODELOPT}, "llama-3.1-70b-fp8"),
        ({**MISTRAL_7B, "quantization_config": AWQ}, "mistral-7b-awq"),
        ({**LLAMA_70B, "quantization_config": AWQ}, "llama-3.1-70b-awq"),
        ({**MISTRAL_7B, "quantization_config": W4A16}, "mistral-7b-awq"),
    ],
)
def test_counted_size_is_the_catalogue_s(config: dict[str, Any], name: str) -> None:
    """Parameters and weight size counted from shapes are within 1 % of the published ones."""
    counted, row = from_config("org/name", config), model(name)
    assert counted.params_b == pytest.approx(row.params_b, rel=0.01)
    assert counted.weights_gib == pytest.approx(row.weights_gib, rel=0.01)
    assert (counted.kv_heads, counted.head_dim, counted.layers) == (
        row.kv_heads,
        row.head_dim,
        row.layers,
    )
    assert counted.uniform_attention


def test_what_a_config_does_not_say_stays_unknown() -> None:
    """Licence, gate, revision and chat are None, not a guess."""
    counted = from_config("org/name", LLAMA_8B)
    assert (counted.licence, counted.gated, counted.revision, counted.chat) == (None,) * 4
    assert (counted.name, counted.repository, counted.status) == ("org/name", "org/name", "derived")


def test_missing_keys_take_the_usual_defaults() -> None:
    """Without KV heads every head has its own; without a head size the heads share the width."""
    config = {k: v for k, v in LLAMA_8B.items() if k != "num_key_value_heads"}
    counted = from_config("org/name", config)
    assert (counted.kv_heads, counted.head_dim) == (32, 128)


def test_the_language_part_of_a_larger_model_is_found() -> None:
    """A model that also sees keeps its decoder under text_config."""
    nested = {"model_type": "mllm", "text_config": LLAMA_8B}
    assert from_config("org/name", nested).weights_gib == from_config("o/n", LLAMA_8B).weights_gib


def test_experts_all_take_memory() -> None:
    """Eight experts of a Mixtral-like shape: 46.7 billion parameters, though few work at a time."""
    mixtral = {**MISTRAL_7B, "vocab_size": 32000, "num_local_experts": 8}
    assert from_config("org/name", mixtral).params_b == pytest.approx(46.7, rel=0.01)


@pytest.mark.parametrize(
    "extra",
    [
        {"sliding_window": 4096},
        {"layer_types": ["linear_attention", "full_attention"]},
        {"full_attention_interval": 4},
    ],
)
def test_layers_that_differ_are_marked(extra: dict[str, Any]) -> None:
    """Sliding-window and linear layers make the uniform formula an upper bound."""
    assert not from_config("org/name", {**LLAMA_8B, **extra}).uniform_attention


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "config.json lacks hidden_size, num_hidden_layers"),
        ({**LLAMA_8B, "vocab_size": "many"}, "config.json lacks vocab_size"),
        ({**LLAMA_8B, "kv_lora_rank": 512}, "latent attention"),
        (
            {**LLAMA_8B, "quantization_config": {"quant_method": "magic"}},
            "unknown quantization 'magic'",
        ),
    ],
)
def test_what_can_t_be_sized_is_refused(config: dict[str, Any], said: str) -> None:
    """No number is better than a wrong one."""
    with pytest.raises(CatalogError, match=said):
        from_config("org/name", config)
