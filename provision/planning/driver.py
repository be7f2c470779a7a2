"""Which NVIDIA driver an engine image needs."""

from __future__ import annotations

import re
from collections.abc import Mapping

# CUDA 13 needs its own driver branch; all of CUDA 12 runs on the first one that knew it.
CUDA_13_BRANCH = 580
CUDA_12_BRANCH = 525
COMPATIBILITY_BRANCH = 535
COMPATIBILITY = "VLLM_ENABLE_CUDA_COMPATIBILITY"

_VLLM = re.compile(r"(?:^|/)vllm-openai:v(\d+)\.(\d+)[\w.]*(-cu\d+)?")


def least_branch(image: str, env: Mapping[str, str]) -> int | None:
    """The lowest driver branch (580 for 580.95.05) that runs *image*; None when its name does
    not tell. *env* is the engine's environment."""
    named = _VLLM.search(image)
    if not named:
        return None
    version, suffix = (int(named[1]), int(named[2])), named[3] or ""
    cuda_13 = suffix.startswith("-cu13") or (version >= (0, 20) and not suffix)
    if not cuda_13:
        return CUDA_12_BRANCH
    return COMPATIBILITY_BRANCH if env.get(COMPATIBILITY) == "1" else CUDA_13_BRANCH


def too_old(branch: int, image: str, env: Mapping[str, str]) -> str:
    """Why a driver of *branch* does not run *image*, "" when it does or nobody knows."""
    needed = least_branch(image, env)
    if needed is None or branch >= needed:
        return ""
    return f"driver R{branch} is older than R{needed}, which {image} needs"
