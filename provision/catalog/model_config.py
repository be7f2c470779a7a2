"""A model from its Hugging Face ``config.json``: shapes, size on the GPU, quantization.

Parameters are counted from the shapes of a decoder (attention, gated MLP or experts, embeddings);
on the models of the catalogue that is within 1 % of the published figure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from provision.catalog.model import Model
from provision.errors import CatalogError

_GIB = 2**30
_REQUIRED = ("hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size")
_NEEDS = "sizing needs the numbers of an ordinary decoder's config.json"

# Bits a weight takes in the linear layers; a 4-bit scheme adds a scale (16 bits) and a zero point
# (4 bits) per group of 128.
_BITS = {"fp8": 8.0, "fbgemm_fp8": 8.0, "mxfp4": 4.25, "nvfp4": 4.5}
_GROUP_OVERHEAD_BITS = 20 / 128
_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}


@dataclass(frozen=True, slots=True)
class _Shape:
    """What is counted: parameters in linear layers, and those that quantization leaves alone."""

    linear: int
    embedding: int

    @property
    def total(self) -> int:
        return self.linear + self.embedding


def from_config(name: str, config_json: Mapping[str, Any]) -> Model:
    """The model that *config_json* describes, under *name* (``org/name`` is its repository).

    Licence, gate and revision don't stand in a config.json and stay None.
    Raises CatalogError for a config without a decoder's numbers, and for latent attention, whose
    cache has another form.
    """
    config = {**config_json, **_mapping(config_json.get("text_config"))}
    missing = [key for key in _REQUIRED if not isinstance(config.get(key), int)]
    if missing:
        raise CatalogError(f"{name}: config.json lacks {', '.join(missing)}", hint=_NEEDS)
    if config.get("kv_lora_rank"):
        raise CatalogError(
            f"{name}: latent attention (kv_lora_rank) can't be sized here",
            hint="start the engine once and take the number of tokens from its log",
        )
    shape = _count(config)
    dtype = _dtype(config)
    quantization, bits = _quantization(name, config, dtype)
    return Model(
        name=name,
        repository=name,
        revision=None,
        params_b=round(shape.total / 1e9, 2),
        layers=config["num_hidden_layers"],
        hidden_size=config["hidden_size"],
        attention_heads=config["num_attention_heads"],
        kv_heads=_kv_heads(config),
        head_dim=_head_dim(config),
        max_context=int(config.get("max_position_embeddings") or 2048),
        dtype=dtype,
        quantization=quantization,
        weights_gib=round((shape.linear * bits / 8 + shape.embedding * _BYTES[dtype]) / _GIB, 2),
        licence=None,
        gated=None,
        chat=None,
        status="derived",
        source="config.json",
        uniform_attention=_uniform(config),
    )


def _count(config: Mapping[str, Any]) -> _Shape:
    hidden, layers = config["hidden_size"], config["num_hidden_layers"]
    heads_width = config["num_attention_heads"] * _head_dim(config)
    kv_width = _kv_heads(config) * _head_dim(config)
    attention = 2 * hidden * heads_width + 2 * hidden * kv_width
    tables = 1 if config.get("tie_word_embeddings") else 2
    return _Shape(
        linear=layers * (attention + _mlp(config)),
        embedding=tables * config["vocab_size"] * hidden + layers * 2 * hidden + hidden,
    )


def _mlp(config: Mapping[str, Any]) -> int:
    """Parameters of one layer's MLP: gate, up and down, of every expert when there are experts."""
    hidden = int(config["hidden_size"])
    inner = int(config.get("intermediate_size") or 4 * hidden)
    experts = _first(config, "num_local_experts", "num_experts", "n_routed_experts")
    if not experts:
        return 3 * hidden * inner
    expert_inner = int(config.get("moe_intermediate_size") or inner)
    shared = int(config.get("n_shared_experts") or 0)
    return 3 * hidden * expert_inner * (experts + shared) + hidden * experts


def _quantization(name: str, config: Mapping[str, Any], dtype: str) -> tuple[str | None, float]:
    """The scheme, and the bits that a weight of a linear layer takes."""
    settings = _mapping(config.get("quantization_config"))
    if not settings:
        return None, 8.0 * _BYTES[dtype]
    method = str(settings.get("quant_method", "")).lower()
    if method == "modelopt":  # NVIDIA's tool for several schemes
        method = str(settings.get("quant_algo", "fp8")).lower()
    if method in _BITS:
        return method, _BITS[method]
    bits = _first(settings, "bits", "w_bit") or _compressed_bits(settings)
    if settings.get("load_in_4bit"):
        bits = 4
    if not bits:
        raise CatalogError(
            f"{name}: unknown quantization {method or settings!r} in config.json",
            hint=f"known: awq, gptq, compressed-tensors, {', '.join(_BITS)}",
        )
    return method or None, bits + (_GROUP_OVERHEAD_BITS if bits < 8 else 0.0)


def _compressed_bits(settings: Mapping[str, Any]) -> int:
    """Bits of the weights in a compressed-tensors scheme (0: not said)."""
    groups = _mapping(settings.get("config_groups")).values()
    found = [_mapping(_mapping(group).get("weights")).get("num_bits") for group in groups]
    return max((bits for bits in found if isinstance(bits, int)), default=0)


def _uniform(config: Mapping[str, Any]) -> bool:
    kinds = set(config.get("layer_types") or ["full_attention"])
    if config.get("sliding_window") and config.get("use_sliding_window", True):
        kinds.add("sliding_attention")
    return kinds == {"full_attention"} and not config.get("full_attention_interval")


def _dtype(config: Mapping[str, Any]) -> str:
    """What the engine serves in: it turns float32 checkpoints into 16 bits."""
    said = str(_first_text(config, "dtype", "torch_dtype") or "bfloat16")
    return said if said in ("float16", "bfloat16") else "bfloat16"


def _head_dim(config: Mapping[str, Any]) -> int:
    return int(config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"])


def _kv_heads(config: Mapping[str, Any]) -> int:
    return int(config.get("num_key_value_heads") or config["num_attention_heads"])


def _first(config: Mapping[str, Any], *keys: str) -> int:
    return next((int(config[key]) for key in keys if config.get(key)), 0)


def _first_text(config: Mapping[str, Any], *keys: str) -> str | None:
    return next((str(config[key]) for key in keys if config.get(key)), None)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
