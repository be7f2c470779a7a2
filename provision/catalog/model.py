"""What sizing and serving must know about a model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Model:
    """One model, by its own config.json.

    Attributes:
        revision: the commit in the repository, or None: not pinned.
        params_b: parameters, in 10^9.
        dtype: of activations and, unless the engine is told otherwise, of the KV cache.
        quantization: ``awq``, ``gptq``, ``fp8``, ``mxfp4``; None when weights have *dtype*.
        weights_gib: what the weights take, over all GPUs.
        gated: whether the Hub wants a token; None when nobody looked.
        chat: whether it follows instructions; a base model only continues text.
        uniform_attention: False when layers differ (sliding window, linear): the sizes are then
            those of full attention in every layer, which is too much, never too little.
        status: ``seen``, ``derived`` or ``memory``: how sure the numbers are.
    """

    name: str
    repository: str
    revision: str | None
    params_b: float
    layers: int
    hidden_size: int
    attention_heads: int
    kv_heads: int
    head_dim: int
    max_context: int
    dtype: str
    quantization: str | None
    weights_gib: float
    licence: str | None
    gated: bool | None
    chat: bool | None
    status: str
    source: str
    uniform_attention: bool = True
