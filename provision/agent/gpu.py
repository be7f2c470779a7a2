"""Proof that a container sees the GPUs that the host sees."""

from __future__ import annotations

import re
from typing import List

from provision.agent.docker import Docker
from provision.agent.errors import AgentError, DockerError
from provision.agent.system import Run

_UUID = re.compile(r"\(UUID: ([^)]+)\)")
_ASK_S = 60.0
_RUN_S = 300.0


def prove(docker: Docker, run: Run, image: str, count: int) -> List[str]:
    """The GPUs that both see, one line each. Raises AgentError naming the difference."""
    done = run(["nvidia-smi", "-L"], timeout_s=_ASK_S)
    if not done.ok:
        raise AgentError(
            f"nvidia-smi on the host: {(done.err or done.out).strip()}",
            hint="the driver is missing or the GPU is gone: `fab doctor` says which",
        )
    on_host = listed(done.out)
    if len(on_host) != count:
        raise AgentError(
            f"the host sees {len(on_host)} GPUs, {count} are expected",
            hint="a GPU fell off the bus (dmesg | grep Xid): replace the instance",
            log=on_host,
        )
    inside = _inside(docker, image)
    if sorted(map(_uuid, inside)) != sorted(map(_uuid, on_host)):
        raise AgentError(
            f"a container sees {len(inside)} of the host's {len(on_host)} GPUs",
            hint="nvidia-ctk runtime configure --runtime=docker, then systemctl restart docker",
            log=inside,
        )
    return on_host


def listed(text: str) -> List[str]:
    """The GPU lines of ``nvidia-smi -L`` (MIG devices are indented below theirs)."""
    return [line.strip() for line in text.splitlines() if line.startswith("GPU ")]


def _inside(docker: Docker, image: str) -> List[str]:
    try:
        out = docker.run_once(image, ["nvidia-smi", "-L"], gpus=True, timeout_s=_RUN_S)
    except DockerError as error:
        raise AgentError(
            f"no GPU inside a container: {error.reason}",
            hint="install the NVIDIA Container Toolkit (`fab setup`), then restart docker",
            log=error.log,
        ) from None
    return listed(out)


def _uuid(line: str) -> str:
    match = _UUID.search(line)
    return match.group(1) if match else line
