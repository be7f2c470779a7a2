"""How the engine is run: its image, its start script and vLLM's configuration file."""

from __future__ import annotations

from provision.config.environment import EngineSettings
from provision.config.timeouts import TimeoutChain
from provision.render.places import ENGINE_CACHE, ENGINE_CONFIG, ENGINE_PORT
from provision.render.templates import render

Setting = str | int | float | bool | list[str]

# Environment variable of start_vllm.sh -> vLLM flag that it overrides. This is the whole list.
OVERRIDES = {
    "MAX_MODEL_LEN": "max-model-len",
    "GPU_MEMORY_UTILIZATION": "gpu-memory-utilization",
    "KV_CACHE_DTYPE": "kv-cache-dtype",
    "MAX_NUM_SEQS": "max-num-seqs",
    "MAX_NUM_BATCHED_TOKENS": "max-num-batched-tokens",
    "MAX_NUM_QUEUED_REQS": "max-num-queued-reqs",
    "TENSOR_PARALLEL_SIZE": "tensor-parallel-size",
    "SHUTDOWN_TIMEOUT": "shutdown-timeout",
}


def dockerfile(engine: EngineSettings) -> str:
    """The image: the pinned base, extra packages if any, and the start script."""
    return render("Dockerfile", base_image=engine.image, extra_pip=list(engine.extra_pip))


def start_script() -> str:
    """``start_vllm.sh``: environment overrides, then the engine in place of the shell."""
    return render("start_vllm.sh", overrides=OVERRIDES, engine_config=ENGINE_CONFIG)


def engine_config(
    engine: EngineSettings,
    *,
    served_names: tuple[str, ...],
    tensor_parallel_size: int,
    chain: TimeoutChain,
) -> str:
    """The file behind ``vllm serve --config``, long option names, one a line.

    ``engine.extra_args`` come last; :mod:`provision.config.flags` keeps them off the others.
    """
    settings: dict[str, Setting | None] = {
        "served-model-name": list(served_names),
        "host": "0.0.0.0",  # noqa: S104  the container's own bridge network
        "port": ENGINE_PORT,
        "max-model-len": engine.max_model_len,
        "gpu-memory-utilization": engine.gpu_memory_utilization,
        "kv-cache-dtype": engine.kv_cache_dtype,
        "max-num-seqs": engine.max_num_seqs,
        "max-num-batched-tokens": engine.max_num_batched_tokens,
        "max-num-queued-reqs": engine.max_num_queued_reqs,
        "tensor-parallel-size": tensor_parallel_size,
        "shutdown-timeout": chain.engine_shutdown_s,
        "disable-access-log-for-endpoints": "/health,/metrics",
        **engine.extra_args,
    }
    said = {name: value for name, value in settings.items() if value is not None}
    return render("engine.yaml", settings=said)


def container_environment(
    engine: EngineSettings, *, model_path: str, ready_timeout_s: int, chain: TimeoutChain
) -> dict[str, str]:
    """Environment variables of an engine container; what ``engine.env`` says comes last."""
    return {
        "MODEL_PATH": model_path,
        # Nothing is fetched and nothing is reported: weights are local, hosts may have no way out.
        "HF_HUB_OFFLINE": "1",
        "DO_NOT_TRACK": "1",
        "VLLM_NO_USAGE_STATS": "1",
        # Everything that is compiled survives the container.
        "VLLM_CACHE_ROOT": f"{ENGINE_CACHE}/vllm",
        "TRITON_CACHE_DIR": f"{ENGINE_CACHE}/triton",
        "CUDA_CACHE_PATH": f"{ENGINE_CACHE}/cuda",
        "FLASHINFER_WORKSPACE_BASE": ENGINE_CACHE,
        "VLLM_ENGINE_READY_TIMEOUT_S": str(ready_timeout_s),
        "VLLM_HTTP_TIMEOUT_KEEP_ALIVE": str(chain.engine_keepalive_s),
        # One request may not multiply itself without end (`n` of the OpenAI API).
        "VLLM_MAX_N_SEQUENCES": "64",
        **engine.env,
    }
