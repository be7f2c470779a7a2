#!/bin/sh
# Starts the engine: environment overrides, then exec. Nothing runs after exec: the agent on the
# host warms the engine up, and signals reach the engine itself.
#
#   MODEL_PATH     folder of the weights (required)
#   ENGINE_CONFIG  vLLM configuration file; default /etc/llm-fleet/engine.yaml
#
# Each of these wins over the same option in ENGINE_CONFIG when it is set and not empty:
#   MAX_MODEL_LEN            --max-model-len
#   GPU_MEMORY_UTILIZATION   --gpu-memory-utilization
#   KV_CACHE_DTYPE           --kv-cache-dtype
#   MAX_NUM_SEQS             --max-num-seqs
#   MAX_NUM_BATCHED_TOKENS   --max-num-batched-tokens
#   MAX_NUM_QUEUED_REQS      --max-num-queued-reqs
#   TENSOR_PARALLEL_SIZE     --tensor-parallel-size
#   SHUTDOWN_TIMEOUT         --shutdown-timeout
#
# Arguments of the container are handed to vLLM and win over both.
set -eu

: "${MODEL_PATH:?is not set: it names the folder of the weights}"
: "${ENGINE_CONFIG:=/etc/llm-fleet/engine.yaml}"

if [ ! -r "$MODEL_PATH/config.json" ]; then
    echo "start_vllm.sh: no weights in $MODEL_PATH (config.json is missing)" >&2
    exit 1
fi

[ -z "${MAX_MODEL_LEN:-}" ] || set -- --max-model-len "$MAX_MODEL_LEN" "$@"
[ -z "${GPU_MEMORY_UTILIZATION:-}" ] || set -- --gpu-memory-utilization "$GPU_MEMORY_UTILIZATION" "$@"
[ -z "${KV_CACHE_DTYPE:-}" ] || set -- --kv-cache-dtype "$KV_CACHE_DTYPE" "$@"
[ -z "${MAX_NUM_SEQS:-}" ] || set -- --max-num-seqs "$MAX_NUM_SEQS" "$@"
[ -z "${MAX_NUM_BATCHED_TOKENS:-}" ] || set -- --max-num-batched-tokens "$MAX_NUM_BATCHED_TOKENS" "$@"
[ -z "${MAX_NUM_QUEUED_REQS:-}" ] || set -- --max-num-queued-reqs "$MAX_NUM_QUEUED_REQS" "$@"
[ -z "${TENSOR_PARALLEL_SIZE:-}" ] || set -- --tensor-parallel-size "$TENSOR_PARALLEL_SIZE" "$@"
[ -z "${SHUTDOWN_TIMEOUT:-}" ] || set -- --shutdown-timeout "$SHUTDOWN_TIMEOUT" "$@"

exec vllm serve "$MODEL_PATH" --config "$ENGINE_CONFIG" "$@"
