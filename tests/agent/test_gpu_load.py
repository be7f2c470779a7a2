"""What nvidia-smi says of the GPUs."""

from __future__ import annotations

from provision.agent.gpu_load import GpuLoad, look, parse
from provision.agent.system import NOT_FOUND, TIMED_OUT, Completed

TWO = "0, 87, 20480, 23028\n1, [N/A], 0, 23028\n"


def answer(completed: Completed) -> list[GpuLoad] | None:
    return look(lambda _words, *, timeout_s: completed)


def test_each_gpu() -> None:
    """Percent of its time and of its memory; what the driver does not say is unknown."""
    first, second = parse(TWO)
    assert (first.index, first.utilisation, round(first.memory or 0, 1)) == (0, 87.0, 88.9)
    assert second == GpuLoad(1, None, 0.0)


def test_memory_without_a_size_is_unknown() -> None:
    """A GPU in MIG mode says neither."""
    assert parse("0, [N/A], [N/A], [N/A]\n") == [GpuLoad(0, None, None)]
    assert parse("0, 1, 0, 0\n") == [GpuLoad(0, 1.0, None)]


def test_no_gpu_and_no_answer_are_not_the_same() -> None:
    """Without nvidia-smi nobody need look again; a driver that hangs may come back."""
    assert answer(Completed(NOT_FOUND)) is None
    assert answer(Completed(TIMED_OUT)) == []
    assert answer(Completed(9, out="No devices were found")) == []
    assert answer(Completed(0, out="something else\n")) == []
