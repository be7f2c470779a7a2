"""vLLM's start-up log: lines of 0.32.0 as it prints them."""

from __future__ import annotations

from pathlib import Path

from provision.agent.engine_log import StartUp, parse, trouble

LOGS = Path(__file__).parent / "logs"

CPU = (LOGS / "vllm-0.32.0-cpu.log").read_text(encoding="utf-8").splitlines()

GPU = (LOGS / "vllm-0.32.0-gpu.log").read_text(encoding="utf-8").splitlines()


def test_a_start_on_the_cpu() -> None:
    """Eager: neither compiled nor captured, which is None and not 0."""
    assert parse(CPU) == StartUp(load_s=0.01, init_s=3.81, kv_cache_tokens=524_288)


def test_a_start_on_gpus() -> None:
    """With several workers the slowest counts."""
    assert parse(GPU) == StartUp(
        load_s=34.25, compile_s=41.73, graphs_s=17.0, init_s=68.2, kv_cache_tokens=39_840
    )


def test_compile_time_from_the_last_line_alone() -> None:
    """Workers may log elsewhere; the engine's own line has it too."""
    assert parse(GPU[-1:]).compile_s == 41.73


def test_the_parts_add_up_to_the_whole_start() -> None:
    """What the log does not explain (imports, CUDA, NCCL) has a name of its own."""
    parts = parse(GPU).parts(140.0)
    assert parts == {"load": 34.25, "compile": 41.73, "graphs": 17.0, "engine_other": 47.02}
    assert sum(parts.values()) == 140.0
    assert parse(GPU).parts(None) == {"load": 34.25, "compile": 41.73, "graphs": 17.0}


def test_trouble_is_the_lines_that_speak_of_it() -> None:
    """The last ones, without the hundred lines of configuration around them."""
    warning = "WARNING 11-21 04:56:27 [system_utils.py:255] ... errors like `OSError: [Errno 24]`"
    dead = "ERROR 11-21 [async_llm.py:906] EngineDeadError: EngineCore"
    lines = [*CPU, warning, dead, CPU[0]]
    assert trouble(lines) == ["ERROR 11-21 [async_llm.py:906] EngineDeadError: EngineCore"]


def test_what_follows_an_error_belongs_to_it() -> None:
    """The engine refuses a setting: which one stands below."""
    refused = [
        "pydantic_core._pydantic_core.ValidationError: 1 validation error for SchedulerConfig",
        "max_num_seqs",
        "  Input should be greater than or equal to 1 [type=greater_than_equal, input_value=-5]",
    ]
    assert trouble([*CPU, *refused]) == refused
    assert trouble([*CPU, *refused], limit=2) == refused[-2:]


def test_without_trouble_the_last_lines_are_kept() -> None:
    """An engine that is killed says nothing of it."""
    assert trouble(CPU, limit=2) == CPU[-2:]
