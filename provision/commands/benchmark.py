"""How one level of a benchmark is asked for: one program on standard input, one JSON answer."""

from __future__ import annotations

from importlib import resources

from provision.commands.command import Command

_LEVEL_S = 1800.0
_LEAST_PROMPTS = 16
_PROMPTS_PER_CLIENT = 4


def level(
    *, container: str, port: int, input_tokens: int, output_tokens: int, clients: int
) -> Command:
    """Load one engine with *clients* requests at a time, each of the tokens given."""
    prompts = max(_LEAST_PROMPTS, _PROMPTS_PER_CLIENT * clients)
    options = {
        "container": container,
        "port": port,
        "input-tokens": input_tokens,
        "output-tokens": output_tokens,
        "prompts": prompts,
        "concurrency": clients,
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    source = resources.files("provision").joinpath("agent", "bench.py").read_text("utf-8")
    return Command(("python3", "-", *words), stdin=source, timeout_s=_LEVEL_S)
