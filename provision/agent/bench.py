"""One level of a benchmark: the engine's own load generator, run beside the engine.

Sent whole over SSH as ``python3 - OPTIONS``: one file, Python 3.9, standard library only. Prints
one JSON object: what the generator measured, and what engine and GPUs looked like meanwhile.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Any, Dict, List, Optional

CURRENT = Path("/opt/llm-fleet/current")
RESULT = "/tmp/llm-fleet-benchmark.json"  # noqa: S108  inside the container
SAMPLE_EVERY_S = 1.0
# The engine's key and the model's path are in the container's environment.
GENERATOR = 'OPENAI_API_KEY="$VLLM_API_KEY" exec vllm bench serve --tokenizer "$MODEL_PATH" "$@"'
METRICS = re.compile(
    r"^vllm:(num_requests_(?:running|waiting)|kv_cache_usage_perc|num_preemptions_total)"
    r"(?:\{[^}]*\})? ([0-9.e+-]+)$",
    re.MULTILINE,
)
SMI = ("nvidia-smi", "--query-gpu=utilization.gpu,memory.used,memory.total")


class Sampler:
    """Looks at engine and GPUs once a second, until told to stop."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/metrics"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._engine: List[Dict[str, float]] = []
        self._gpus: List[List[List[float]]] = []

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> Dict[str, Optional[float]]:
        """End, and what was seen; ``None`` where nothing was."""
        self._stop.set()
        self._thread.join(30)
        gpus = [gpu for sample in self._gpus for gpu in sample]
        last = self._gpus[-1] if self._gpus else []
        preemptions = [one["num_preemptions_total"] for one in self._engine]
        busy = [gpu[0] for gpu in gpus]
        return {
            "running": self._most("num_requests_running"),
            "waiting": self._most("num_requests_waiting"),
            "kv_usage": self._most("kv_cache_usage_perc"),
            "preemptions": preemptions[-1] - preemptions[0] if preemptions else None,
            "gpu_utilization": sum(busy) / len(busy) / 100 if busy else None,
            "gpu_used_mib": sum(gpu[1] for gpu in last) if last else None,
            "gpu_memory_mib": sum(gpu[2] for gpu in last) if last else None,
        }

    def _most(self, name: str) -> Optional[float]:
        return max((one[name] for one in self._engine), default=None)

    def _run(self) -> None:
        while not self._stop.wait(SAMPLE_EVERY_S):
            engine, gpus = self._ask_engine(), ask_gpus()
            if engine:
                self._engine.append(engine)
            if gpus:
                self._gpus.append(gpus)

    def _ask_engine(self) -> Optional[Dict[str, float]]:
        try:
            with urllib.request.urlopen(self._url, timeout=5) as answer:
                found = dict(METRICS.findall(answer.read().decode()))
        except OSError:
            return None
        names = ("num_requests_running", "num_requests_waiting", "kv_cache_usage_perc")
        sample = {name: float(found.get(name, 0.0)) for name in names}
        return dict(sample, num_preemptions_total=float(found.get("num_preemptions_total", 0.0)))


def ask_gpus() -> List[List[float]]:
    """Utilisation, MiB used, MiB there, of each GPU; [] where there is no answer."""
    try:
        words = [*SMI, "--format=csv,noheader,nounits"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=20, check=False)
        return [[float(cell) for cell in line.split(",")] for line in done.stdout.splitlines()]
    except (OSError, ValueError, subprocess.SubprocessError):
        return []


def generate(options: argparse.Namespace, model: str) -> Dict[str, Any]:
    """Run the load generator in the engine's container; its own result document."""
    flags = {
        "backend": "openai",
        "endpoint": "/v1/completions",
        "base-url": "http://127.0.0.1:8000",
        "model": model,
        "dataset-name": "random",
        "random-input-len": options.input_tokens,
        "random-output-len": options.output_tokens,
        "num-prompts": options.prompts,
        "max-concurrency": options.concurrency,
        "request-rate": "inf",
        "num-warmups": min(2, options.prompts),
        "percentile-metrics": "ttft,tpot,itl,e2el",
        "metric-percentiles": "50,95,99",
        "result-dir": str(Path(RESULT).parent),
        "result-filename": Path(RESULT).name,
        "ready-check-timeout-sec": 60,
    }
    words = [word for name, value in flags.items() for word in (f"--{name}", str(value))]
    words += ["--ignore-eos", "--save-result", "--disable-tqdm"]
    inside = ["docker", "exec", options.container]
    done = run([*inside, "sh", "-c", GENERATOR, "llm-fleet", *words])
    try:
        return dict(json.loads(run([*inside, "cat", RESULT])))
    except ValueError:
        raise SystemExit(f"the load generator left no result; it said:\n{done[-2000:]}") from None


def run(words: List[str]) -> str:
    """The output of a command that succeeds, or the end of this program with its last lines."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit((done.stderr or done.stdout)[-2000:])
    return done.stdout


def main() -> None:
    """One level."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--container", required=True)
    parser.add_argument("--port", type=int, required=True)
    for name in ("input-tokens", "output-tokens", "prompts", "concurrency"):
        parser.add_argument(f"--{name}", type=int, required=True)
    options = parser.parse_args()
    if not (CURRENT / "release.json").is_file():
        raise SystemExit("no release was applied on this host")
    release = json.loads((CURRENT / "release.json").read_text())
    sampler = Sampler(options.port)
    sampler.start()
    measured = generate(options, release["facts"]["served_name"])
    kept = {name: value for name, value in measured.items() if not isinstance(value, list)}
    document = {
        "release": release["release"],
        "model": release["facts"]["served_name"],
        "replicas": release["facts"]["replicas"],
        "measured": kept,
        "seen": sampler.stop(),
    }
    sys.stdout.write(json.dumps(document) + "\n")


if __name__ == "__main__":
    main()
