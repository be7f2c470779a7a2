#!/bin/sh
# Starts the engine: environment overrides, then exec. Nothing runs after exec: the agent on the
# host warms the engine up, and signals reach the engine itself.
#
#   MODEL_PATH     folder of the weights (required)
#   ENGINE_CONFIG  vLLM configuration file; default {{ engine_config }}
#
# Each of these wins over the same option in ENGINE_CONFIG when it is set and not empty:
{% for variable, flag in overrides.items() %}
#   {{ "%-24s" | format(variable) }} --{{ flag }}
{% endfor %}
#
# Arguments of the container are handed to vLLM and win over both.
set -eu

: "${MODEL_PATH:?is not set: it names the folder of the weights}"
: "${ENGINE_CONFIG:={{ engine_config }}}"

if [ ! -r "$MODEL_PATH/config.json" ]; then
    echo "start_vllm.sh: no weights in $MODEL_PATH (config.json is missing)" >&2
    exit 1
fi

{% for variable, flag in overrides.items() %}
[ -z "${{ "{" }}{{ variable }}:-}" ] || set -- --{{ flag }} "${{ variable }}" "$@"
{% endfor %}

exec vllm serve "$MODEL_PATH" --config "$ENGINE_CONFIG" "$@"
