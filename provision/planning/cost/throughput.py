"""How many requests a second an engine can carry at most, by the roofline of its GPUs.

Two things bound it: reading a prompt is arithmetic (2 operations per parameter and token), writing
an answer is memory (each step reads all weights and the cache of all requests in it). Engines
reach 0.64 to 0.89 of the bound where somebody published a measurement; 0.60 is assumed where
nobody measured. docs/break-even.md has the formulas beside the published points.
"""

from __future__ import annotations

from dataclasses import dataclass

from provision.planning.kv_cache import GIB, bytes_per_token
from provision.planning.sizing import Sizing

REACHED = 0.60  # of the bound, when nobody measured
LARGEST_BATCH = 256  # requests in one step, vLLM's own default
_OVERHEAD_BYTES = 1e9  # activations and CUDA graphs, on each GPU


@dataclass(frozen=True, slots=True)
class Mix:
    """What a request is made of, in tokens."""

    input_tokens: int
    output_tokens: int

    @property
    def tokens(self) -> int:
        """Prompt and answer."""
        return self.input_tokens + self.output_tokens

    def __str__(self) -> str:
        return f"{self.input_tokens}/{self.output_tokens}"


@dataclass(frozen=True, slots=True)
class Engine:
    """One engine as the roofline sees it, over all of its GPUs together.

    Attributes:
        parameters: that a token passes through.
        kv_bytes: of one token in the cache.
        memory_bytes: that the engine may take (its share of the GPUs).
        overhead_bytes: of that, neither weights nor cache.
        bandwidth: bytes a second between memory and processor.
        flops: dense 16-bit operations a second.
        largest_batch: requests in one step at most.
    """

    parameters: float
    weight_bytes: float
    kv_bytes: float
    memory_bytes: float
    overhead_bytes: float
    bandwidth: float
    flops: float
    largest_batch: int = LARGEST_BATCH

    def batch(self, mix: Mix) -> int:
        """Requests that run at once: as many as the cache holds, at least one."""
        room = self.memory_bytes - self.weight_bytes - self.overhead_bytes
        return max(1, min(self.largest_batch, int(room / (self.kv_bytes * mix.tokens))))

    def prefill_tokens_per_s(self) -> float:
        """Prompt tokens a second at most."""
        return self.flops / (2 * self.parameters)

    def decode_tokens_per_s(self, mix: Mix, batch: int) -> float:
        """Answer tokens a second at most with *batch* requests, half of each answer written.

        Large batches are bound by arithmetic, as prompts are.
        """
        context = mix.input_tokens + mix.output_tokens / 2
        read = self.weight_bytes + batch * context * self.kv_bytes
        return min(batch * self.bandwidth / read, self.prefill_tokens_per_s())

    def bound(self, mix: Mix, batch: int | None = None) -> float:
        """Requests a second at most, with *batch* of them at once (None: as many as fit)."""
        at_once = self.batch(mix) if batch is None else batch
        reading = mix.input_tokens / self.prefill_tokens_per_s()
        writing = mix.output_tokens / self.decode_tokens_per_s(mix, at_once)
        return 1 / (reading + writing)


def engine_of(
    sizing: Sizing,
    *,
    gpu_memory_utilization: float,
    kv_cache_dtype: str = "auto",
    max_num_seqs: int | None = None,
) -> Engine | None:
    """The engine of *sizing*; None when bandwidth or operations of its GPU are unknown."""
    gpu, gpus = sizing.instance.gpu, sizing.tensor_parallel_size
    if gpu.bandwidth_gbps is None or gpu.fp16_tflops is None:
        return None
    per_gpu = bytes_per_token(sizing.model, kv_cache_dtype=kv_cache_dtype, tensor_parallel=gpus)
    return Engine(
        parameters=sizing.model.params_b * 1e9,
        weight_bytes=sizing.model.weights_gib * GIB,
        kv_bytes=per_gpu * gpus,
        memory_bytes=gpus * gpu.memory_gib * GIB * gpu_memory_utilization,
        overhead_bytes=gpus * _OVERHEAD_BYTES,
        bandwidth=gpus * gpu.bandwidth_gbps * 1e9,
        flops=gpus * gpu.fp16_tflops * 1e12,
        largest_batch=max_num_seqs or LARGEST_BATCH,
    )
