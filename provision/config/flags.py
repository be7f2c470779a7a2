"""Engine flags and variables that a person may not set, and why."""

from __future__ import annotations

import re
from collections.abc import Iterator

from provision.config.environment import EngineSettings
from provision.errors import Problem

# Flags that a setting of ours writes: two places would contradict each other.
_OURS = {
    "model": "model.name",
    "revision": "model.revision",
    "served-model-name": "model.served_name",
    "max-model-len": "engine.max_model_len",
    "gpu-memory-utilization": "engine.gpu_memory_utilization",
    "kv-cache-dtype": "engine.kv_cache_dtype",
    "max-num-seqs": "engine.max_num_seqs",
    "max-num-batched-tokens": "engine.max_num_batched_tokens",
    "max-num-queued-reqs": "engine.max_num_queued_reqs",
    "tensor-parallel-size": "engine.tensor_parallel_size",
    "data-parallel-size": "engine.replicas_per_host",
    "shutdown-timeout": "engine.longest_generation_s",
}
# Flags on which the front, the agent and the release rely.
_FIXED = frozenset({"api-key", "config", "host", "port", "uds", "ssl-certfile", "ssl-keyfile"})
# Gone from vLLM 0.32: the engine would stop with a usage error, on every host, after the drain.
_REMOVED = frozenset(
    {
        "disable-frontend-multiprocessing",
        "disable-log-requests",
        "guided-decoding-backend",
        "max-seq-len-to-capture",
        "num-scheduler-steps",
        "preemption-mode",
        "rope-scaling",
        "speculative-model",
        "swap-space",
        "task",
        "use-v2-block-manager",
    }
)
_SECRETS = frozenset({"VLLM_API_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"})


def check(engine: EngineSettings) -> Iterator[Problem]:
    """Problems of ``engine.extra_args`` and ``engine.env``."""
    for flag in engine.extra_args:
        yield from _flag(f"engine.extra_args.{flag}", flag)
    for name in engine.env:
        yield from _variable(f"engine.env.{name}", name)


def _flag(path: str, flag: str) -> Iterator[Problem]:
    dashed = flag.lstrip("-").replace("_", "-")
    if not re.fullmatch(r"[a-z][a-z0-9-]*", flag):
        yield Problem(path, "is not a flag's long name", f"write {dashed}, as vLLM's help does")
    elif flag in _OURS:
        yield Problem(path, "is written from another setting", f"set {_OURS[flag]}")
    elif flag in _FIXED:
        yield Problem(path, "is set by the release: the front and the agent rely on it")
    elif flag in _REMOVED:
        yield Problem(path, "was removed from vLLM: the engine would not start", "leave it out")


def _variable(path: str, name: str) -> Iterator[Problem]:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        yield Problem(path, "is not the name of an environment variable")
    elif name in _SECRETS:
        yield Problem(
            path,
            "is a secret, and this file is no place for one",
            "Secrets Manager holds the Hub's token; the engine's key is made on each host",
        )
