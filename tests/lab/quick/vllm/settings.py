"""What the engine was told: vLLM's own options, and how it shall misbehave.

Behaviour comes from variables of the container (``engine.env`` of the environment's file, so it is
part of the release) and from the file ``quick.env`` in the engine's cache folder, which wins, is
read again at every request, and stays on one host:

    QUICK_ENGINE        normal, or one of
                        die-at-start   ends with a traceback while it loads
                        hang-loading   never opens its port
                        error          500 for every generation
                        garbage        answers with the one token of weights that are broken
                        slow:S         the first token comes after S seconds
    QUICK_LOAD_S        seconds until the port opens (1)
    QUICK_TOKEN_S       seconds a token (0.005)
    QUICK_TEARDOWN_S    seconds that the workers take to end (0.5; measured of vLLM: 10)

A hang has no name here: send SIGSTOP to the process ``VLLM::EngineCore``, as with the real one.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

FILE = "quick.env"
DEFAULT_KEEPALIVE_S = 5.0
_ENDINGS = {"k": 1000, "K": 1024}


@dataclass(frozen=True)
class Behaviour:
    """How the engine works at this moment."""

    mode: str = "normal"
    first_token_s: float = 0.0
    load_s: float = 1.0
    token_s: float = 0.005
    teardown_s: float = 0.5


@dataclass(frozen=True)
class Options:
    """vLLM's options, as far as they change what a client or an operator sees."""

    model: str
    names: tuple[str, ...]
    host: str = "127.0.0.1"
    port: int = 8000
    max_model_len: int = 2048
    max_num_seqs: int = 256
    max_num_queued_reqs: int | None = None
    shutdown_timeout_s: float = 0.0
    keepalive_s: float = DEFAULT_KEEPALIVE_S
    api_key: str = ""

    @classmethod
    def parse(cls, arguments: list[str]) -> Options:
        """From the command line, which wins over the file that ``--config`` names."""
        said = dict(_pairs(arguments))
        said = {**_config(str(said.get("config", ""))), **said}
        names = said.get("served-model-name", [said["model"]])
        queued = said.get("max-num-queued-reqs")
        return cls(
            model=str(said["model"]),
            names=tuple(names if isinstance(names, list) else [str(names)]),
            host=str(said.get("host", cls.host)),
            port=int(str(said.get("port", cls.port))),
            max_model_len=_number(said.get("max-model-len", cls.max_model_len)),
            max_num_seqs=_number(said.get("max-num-seqs", cls.max_num_seqs)),
            max_num_queued_reqs=None if queued is None else _number(queued),
            shutdown_timeout_s=float(str(said.get("shutdown-timeout", 0))),
            keepalive_s=float(os.environ.get("VLLM_HTTP_TIMEOUT_KEEP_ALIVE", DEFAULT_KEEPALIVE_S)),
            api_key=os.environ.get("VLLM_API_KEY", ""),
        )


def behaviour() -> Behaviour:
    """How to behave now."""
    said = {**os.environ, **_file()}
    mode, _, seconds = said.get("QUICK_ENGINE", "normal").partition(":")
    return Behaviour(
        mode=mode,
        first_token_s=float(seconds) if mode == "slow" else 0.0,
        load_s=float(said.get("QUICK_LOAD_S", Behaviour.load_s)),
        token_s=float(said.get("QUICK_TOKEN_S", Behaviour.token_s)),
        teardown_s=float(said.get("QUICK_TEARDOWN_S", Behaviour.teardown_s)),
    )


def _file() -> dict[str, str]:
    root = os.environ.get("VLLM_CACHE_ROOT")
    file = Path(root).parent / FILE if root else None
    if file is None or not file.exists():
        return {}
    pairs = (line.split("=", 1) for line in file.read_text().splitlines() if "=" in line)
    return {name.strip(): value.strip() for name, value in pairs}


def _pairs(arguments: list[str]) -> list[tuple[str, object]]:
    pairs: list[tuple[str, object]] = []
    for word in arguments:
        if word.startswith("--"):
            name, _, value = word[2:].partition("=")
            pairs.append((name, value or True))
        elif pairs:
            pairs[-1] = (pairs[-1][0], word)
    return pairs


def _config(file: str) -> dict[str, object]:
    """The file as llm-fleet renders it: an option a line, its value in JSON."""
    if not file:
        return {}
    lines = (line.partition("#")[0] for line in Path(file).read_text().splitlines())
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    return {name.strip(): json.loads(value) for name, value in pairs}


def _number(said: object) -> int:
    text = str(said)
    scale = _ENDINGS.get(text[-1:], 1)
    return int(text[:-1] if scale > 1 else text) * scale
