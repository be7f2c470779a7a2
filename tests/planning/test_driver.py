"""Which driver an image needs."""

from __future__ import annotations

import pytest

from provision.planning.driver import least_branch, too_old

COMPATIBLE = {"VLLM_ENABLE_CUDA_COMPATIBILITY": "1"}


@pytest.mark.parametrize(
    ("image", "env", "branch"),
    [
        ("vllm/vllm-openai:v0.32.0", {}, 580),
        ("vllm/vllm-openai:v0.20.0", {}, 580),
        ("registry.example/mirror/vllm-openai:v0.32.0", {}, 580),
        ("vllm/vllm-openai:v0.32.0", COMPATIBLE, 535),
        ("vllm/vllm-openai:v0.32.0-cu129", {}, 525),
        ("vllm/vllm-openai:v0.32.0-cu130", {}, 580),
        ("vllm/vllm-openai:v0.19.2", {}, 525),
        ("vllm/vllm-openai:latest", {}, None),
        ("my/engine:1", {}, None),
        ("llm-fleet-rehearsal/vllm:0.32.0", {}, None),
    ],
)
def test_the_lowest_branch(image: str, env: dict[str, str], branch: int | None) -> None:
    """Since v0.20 the plain image is CUDA 13; a name that does not tell is unknown."""
    assert least_branch(image, env) == branch


def test_too_old_names_both() -> None:
    """The sentence has what is there, what is needed, and by whom."""
    said = too_old(570, "vllm/vllm-openai:v0.32.0", {})
    assert said == "driver R570 is older than R580, which vllm/vllm-openai:v0.32.0 needs"
    assert too_old(580, "vllm/vllm-openai:v0.32.0", {}) == ""
    assert too_old(470, "my/engine:1", {}) == ""
