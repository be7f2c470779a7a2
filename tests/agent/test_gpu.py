"""Proof that a container sees the GPUs that the host sees."""

from __future__ import annotations

import pytest

from provision.agent import gpu
from provision.agent.docker import Docker
from provision.agent.errors import AgentError
from provision.agent.system import Completed
from tests.agent.fakes import FakeMachine

ONE = "GPU 0: NVIDIA A10G (UUID: GPU-1b2c)\n"
TWO = ONE + "GPU 1: NVIDIA A10G (UUID: GPU-3d4e)\n"
IN_CONTAINER = "docker run --rm --gpus all --entrypoint nvidia-smi engine -L"


def prove(host: Completed, container: Completed, count: int = 1) -> list[str]:
    machine = FakeMachine(fail={IN_CONTAINER: container})
    machine.other["nvidia-smi"] = lambda _words: host
    return gpu.prove(Docker(machine.run), machine.run, "engine", count)


def test_the_same_gpus_inside_and_outside() -> None:
    """By their UUIDs, and as many as expected."""
    assert prove(Completed(0, TWO), Completed(0, TWO), 2) == TWO.splitlines()


@pytest.mark.parametrize(
    ("host", "container", "count", "reason", "hint"),
    [
        (
            Completed(127, err="nvidia-smi: not found"),
            Completed(0),
            1,
            "nvidia-smi on the",
            "driver",
        ),
        (Completed(0, ONE), Completed(0, ONE), 2, "sees 1 GPUs, 2 are expected", "Xid"),
        (Completed(0, TWO), Completed(0, ONE), 2, "sees 1 of the host's 2 GPUs", "nvidia-ctk"),
        (
            Completed(0, ONE),
            Completed(125, err='could not select device driver "" with capabilities: [[gpu]]'),
            1,
            "could not select device driver",
            "NVIDIA Container Toolkit",
        ),
        (
            Completed(0, ONE),
            Completed(1, err="Failed to initialize NVML: Unknown Error"),
            1,
            "Failed to initialize NVML",
            "restart docker",
        ),
    ],
)
def test_each_way_to_fail_has_its_cause(
    host: Completed, container: Completed, count: int, reason: str, hint: str
) -> None:
    """What was seen, and the next thing to do."""
    with pytest.raises(AgentError) as caught:
        prove(host, container, count)
    assert reason in caught.value.reason
    assert hint in caught.value.hint


def test_mig_slices_are_not_gpus() -> None:
    """They stand indented below theirs."""
    assert gpu.listed(ONE + "  MIG 1g.5gb Device 0: (UUID: MIG-77)\n") == [ONE.strip()]
