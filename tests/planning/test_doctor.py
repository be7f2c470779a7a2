"""Every fault that the doctor knows, one by one, against a host that is well."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from provision.config.environment import EngineSettings
from provision.facts.host import ContainerFacts, GpuFacts, HostFacts
from provision.facts.inventory import Host
from provision.planning.doctor import diagnose
from provision.planning.finding import Finding, State
from provision.report import findings as report
from provision.testing import samples

NOW_S = 1_700_000_000.0
HOST = samples.hosts(1)[0]
P4D = replace(HOST, instance_type="p4d.24xlarge")
GPU = GpuFacts("NVIDIA A10G", 23028, 20000, "GPU-1", 0, True, False)
ENGINE = ContainerFacts(
    "llm-fleet-engine-0", "e:1", "running", 0, 0, False, "", ("NVIDIA_VISIBLE_DEVICES=all",)
)
FRONT = ContainerFacts("llm-fleet-front", "f:1", "running", 0, 0, False, "")
DEVICES = ["nvidia-uvm", "nvidia0", "nvidiactl"]
RAW: dict[str, Any] = {
    "bus": 1,
    "kernel": {
        "modules": ["nvidia", "nvidia_uvm"],
        "log": ["NVRM: loading NVIDIA UNIX Open Kernel Module"],
        "dkms": {"exit": 0, "out": "nvidia/580.95.05, 6.8.0-aws, x86_64: installed", "err": ""},
        "secure_boot": {"exit": 0, "out": "SecureBoot disabled", "err": ""},
        "devices": DEVICES,
    },
    "fabric_manager": {"active": {"exit": 3, "out": "inactive", "err": ""}, "version": None},
    "compute_apps": {"exit": 0, "out": "4242, 20000", "err": ""},
    "docker": {"daemon_json": '{"runtimes": {}}', "security": ["name=seccomp"]},
    "cdi": {"exit": 0, "out": "nvidia.com/gpu=0\nnvidia.com/gpu=all", "err": ""},
    "engine_gpus": {"llm-fleet-engine-0": {"exit": 0, "out": "GPU 0: NVIDIA A10G", "err": ""}},
}
WELL = samples.facts(
    gpus=(GPU,),
    raw=RAW,
    kernel="6.8.0-aws",
    docker_command="/usr/bin/docker",
    cache_device="/dev/nvme1n1",
    cache_uuid="1234-abcd",
    root_device="/dev/nvme0n1p1",
    containers=(ENGINE, FRONT),
    agent={"state": "ready"},
    release="r-000000000001",
    listening=(22, 8000, 8001, 8081),
    memory_gib=16.0,
    memory_available_gib=4.0,
    swap_gib=0.0,
    shm_gib=8.0,
    open_files_limit=1048576,
    time_s=NOW_S + 1,
)


def raw(**changes: Any) -> dict[str, Any]:
    """The document of a host that is well, but for *changes*."""
    return {**RAW, **changes}


def kernel(**changes: Any) -> dict[str, Any]:
    return raw(kernel={**RAW["kernel"], **changes})


def manager(version: str = "", *, active: bool) -> dict[str, Any]:
    """What the Fabric Manager's own programs say."""
    said = f"Fabric Manager version is : {version}"
    return {
        "active": {"exit": 0, "out": "active" if active else "inactive", "err": ""},
        "version": {"exit": 0, "out": said, "err": ""} if version else None,
    }


def smi(said: str, **changes: Any) -> dict[str, Any]:
    """A host whose nvidia-smi only says this."""
    return {"gpus": None, "driver_version": None, "smi_error": said, **changes}


def idle(**changes: Any) -> dict[str, Any]:
    """A host without containers."""
    empty = {"containers": (), "agent": None, "release": None, "listening": (22,)}
    return {**empty, "raw": raw(engine_gpus={}), **changes}


def examined(facts: HostFacts, host: Host = HOST, **engine: Any) -> dict[str, Finding]:
    environment = samples.environment(engine=EngineSettings(**engine))
    return {found.check: found for found in diagnose(environment, host, facts, now_s=NOW_S)}


def test_a_host_that_is_well() -> None:
    """Every check is fine, and says what it saw."""
    found = examined(WELL)
    assert {name for name, one in found.items() if one.state is not State.OK} == set()
    assert all(one.cause for one in found.values())
    assert report.good({"i-1": tuple(found.values())})


@pytest.mark.parametrize(
    ("check", "changes", "cause"),
    [
        ("sudo", {"sudo": False}, "not asked as root"),
        ("gpu-on-bus", smi("gone", raw=raw(bus=None)), "no NVIDIA device on the PCI bus"),
        (
            "driver-loaded",
            smi("couldn't communicate", raw=kernel(modules=["nouveau"])),
            "nouveau driver holds the GPU",
        ),
        (
            "driver-loaded",
            smi("couldn't communicate", raw=kernel(modules=[]), kernel="6.9.1-aws"),
            "built for another kernel than 6.9.1-aws",
        ),
        (
            "driver-loaded",
            smi(
                "couldn't communicate",
                raw=kernel(
                    modules=[],
                    secure_boot={"exit": 0, "out": "SecureBoot enabled", "err": ""},
                ),
            ),
            "secure boot refuses",
        ),
        ("nvidia-smi", smi("nvidia-smi is not installed"), "not installed"),
        ("nvidia-smi", smi("NVIDIA-SMI has failed because it couldn't communicate"), "can't reach"),
        (
            "nvidia-smi",
            smi("Failed to initialize NVML: Driver/library version mismatch"),
            "an upgrade without a reboot",
        ),
        ("nvidia-smi", smi("No devices were found (exit 6)"), "fallen off the bus"),
        (
            "nvidia-smi",
            smi("Unable to determine the device handle for GPU0: Unknown Error"),
            "fallen off the bus",
        ),
        ("nvidia-smi", smi("Failed to initialize NVML: Unknown Error"), "without a reason"),
        ("nvidia-smi", smi("no answer within 20 s (exit 124)"), "it hangs"),
        ("nvidia-smi", smi("something new"), "something new"),
        ("gpu-count", {"gpus": (GPU, GPU)}, "2 of the 1 GPUs"),
        (
            "gpu-errors",
            {"raw": kernel(log=["NVRM: Xid (PCI:0000:00:1e): 79, pid=1, GPU has fallen off"])},
            "Xid 79: the GPU has fallen off the bus",
        ),
        (
            "gpu-errors",
            {"raw": kernel(log=["NVRM: Xid (PCI:0000:00:1e): 48, pid=1, DBE"])},
            "Xid 48: a double-bit memory error",
        ),
        ("driver-version", {"driver_version": "570.86.15"}, "driver R570 is older than R580"),
        (
            "fabric-manager",
            {"raw": raw(fabric_manager=manager(active=True))},
            "a g5.xlarge has no NVSwitch",
        ),
        ("gpu-memory-errors", {"gpus": (replace(GPU, ecc_uncorrected=12),)}, "GPU 0: 12"),
        ("mig", {"gpus": (replace(GPU, mig=True),)}, "GPU 0 is cut into MIG slices"),
        ("gpu-memory", idle(), "20000 MiB in use although no engine runs (processes: 4242)"),
        (
            "device-files",
            {"raw": kernel(devices=["nvidia0", "nvidiactl"])},
            "/dev/nvidia-uvm missing: CUDA fails although nvidia-smi may work",
        ),
        ("docker", {"docker_version": None, "docker_command": None}, "not installed"),
        (
            "docker",
            {"docker_version": None, "docker_error": "Connection refused"},
            "does not answer: Connection refused",
        ),
        (
            "daemon-json",
            {"raw": raw(docker={"daemon_json": "{broken", "security": []})},
            "not valid JSON",
        ),
        ("docker-kind", {"docker_command": "/snap/bin/docker"}, "a snap"),
        (
            "docker-kind",
            {"raw": raw(docker={"daemon_json": None, "security": ["name=rootless"]})},
            "rootless",
        ),
        ("compose", {"compose": None}, "no `docker compose`"),
        ("container-toolkit", {"toolkit_version": None}, "could not select device driver"),
        ("container-toolkit", {"toolkit_version": "1.9.0"}, "1.9.0 is older than 1.18"),
        ("nvidia-runtime", {"docker_runtimes": ("runc",)}, "Docker knows only runc"),
        (
            "gpu-in-container",
            {
                "raw": raw(
                    engine_gpus={
                        "llm-fleet-engine-0": {
                            "exit": 255,
                            "out": "Failed to initialize NVML: Unknown Error",
                            "err": "",
                        }
                    }
                )
            },
            "taken by a systemctl daemon-reload",
        ),
        (
            "gpu-in-container",
            {
                "raw": raw(
                    engine_gpus={
                        "llm-fleet-engine-0": {
                            "exit": 127,
                            "out": "",
                            "err": 'exec: "nvidia-smi": executable file not found in $PATH',
                        }
                    }
                )
            },
            "started without a GPU",
        ),
        (
            "visible-devices",
            {"containers": (replace(ENGINE, visible_devices=("CUDA_VISIBLE_DEVICES=",)), FRONT)},
            "CUDA_VISIBLE_DEVICES=(empty): it sees no GPU",
        ),
        ("cache-mount", {"cache_mounted": False}, "is not mounted"),
        ("cache-mount", {"cache_device": "/dev/nvme0n1p1"}, "on the root disk"),
        ("disk-space", {"root_free_gib": 2.0}, "/ has 2.0 GiB"),
        ("disk-space", {"cache_free_gib": 0.5}, "the cache has 0.5 GiB"),
        ("memory", {"memory_available_gib": 0.2}, "0.2 GiB left, 0 GiB swap"),
        ("shared-memory", {"shm_gib": 0.1}, "0.1 GiB of /dev/shm"),
        ("open-files", {"open_files_limit": 1024}, "at most 1024"),
        ("ports", idle(listening=(22, 8000)), "port 8000 is taken by something that is not ours"),
        ("clock", {"time_s": NOW_S - 300}, "-300 s against this machine"),
        ("package-manager", {"package_lock": "/var/lib/dpkg/lock-frontend"}, "a process holds"),
        ("containers", {"containers": (replace(ENGINE, oom_killed=True),)}, "out of main memory"),
        ("containers", {"containers": (replace(ENGINE, restarts=3),)}, "restarted 3 times"),
        (
            "containers",
            {"containers": (replace(ENGINE, state="exited", exit_code=1),)},
            "is exited, exit code 1",
        ),
        ("agent", {"agent": None}, "does not answer on port 8081"),
        ("agent", {"agent": {"state": "hung", "reason": "no token for 15 s"}}, "hung: no token"),
    ],
)
def test_a_fault(check: str, changes: dict[str, Any], cause: str) -> None:
    """The check fails with its cause and a command to run; nothing else is needed to find it."""
    found = examined(replace(WELL, **changes))[check]

    assert (check, found.state) == (check, State.FAILED)
    assert cause in found.cause
    assert found.command


@pytest.mark.parametrize(
    ("check", "changes"),
    [
        ("driver-loaded", smi("couldn't communicate", raw={})),
        ("gpu-count", smi("No devices were found")),
        ("gpu-errors", {"raw": kernel(log=None)}),
        ("driver-version", smi("nvidia-smi is not installed")),
        ("fabric-manager", {"raw": raw(fabric_manager=None)}),
        ("gpu-memory-errors", {"gpus": (replace(GPU, ecc_uncorrected=None),)}),
        ("mig", smi("gone")),
        ("gpu-memory", smi("gone")),
        ("persistence-mode", {"gpus": (replace(GPU, persistence=None),)}),
        ("device-files", {"raw": kernel(modules=[])}),
        ("nvidia-runtime", {"docker_runtimes": None}),
        ("cdi", {"raw": raw(cdi=None)}),
        ("gpu-in-container", idle()),
        ("visible-devices", idle()),
        ("cuda-in-image", {"agent": {"state": "starting"}}),
        ("cache-mount", {"cache_mounted": None}),
        ("disk-space", {"root_free_gib": None, "cache_free_gib": None}),
        ("memory", {"memory_available_gib": None}),
        ("shared-memory", {"shm_gib": None}),
        ("open-files", {"open_files_limit": None}),
        ("ports", {"listening": None}),
        ("clock", {"time_s": None}),
        ("containers", {"containers": None}),
        ("containers", {"containers": ()}),
        ("agent", idle()),
    ],
)
def test_no_answer(check: str, changes: dict[str, Any]) -> None:
    """What nobody can say is unknown: never fine, and never a failure."""
    found = examined(replace(WELL, **changes))[check]

    assert (check, found.state) == (check, State.UNKNOWN)
    assert found.cause


@pytest.mark.parametrize(
    ("check", "program", "words"),
    [("gpu-in-container", "nvidia-smi", "-L"), ("cuda-in-image", "python3", "-c 'import torch;")],
)
def test_an_image_with_an_entry_point_is_asked_past_it(
    check: str, program: str, words: str
) -> None:
    """vllm/vllm-openai runs `vllm serve` with whatever stands behind its name."""
    command = examined(replace(WELL, **idle()), image="vllm/vllm-openai:v1")[check].command

    wanted = f"docker run --rm --gpus all --entrypoint {program} vllm/vllm-openai:v1 {words}"
    assert command.startswith(wanted)


@pytest.mark.parametrize(
    ("said", "state", "cause"),
    [
        (manager(active=False), State.FAILED, "CUDA error 802"),
        (manager("570.1", active=True), State.FAILED, "570.1 is not the driver's 580.95.05"),
        (manager("580.95.05", active=True), State.OK, "runs, 580.95.05"),
    ],
)
def test_nvswitch_needs_its_manager(said: dict[str, Any], state: State, cause: str) -> None:
    """On a p4d it must run, in the driver's own version."""
    found = examined(replace(WELL, raw=raw(fabric_manager=said)), P4D)["fabric-manager"]

    assert found.state is state
    assert cause in found.cause


def test_a_lost_gpu_is_counted_against_the_instance_type() -> None:
    """Seven of the eight of a p4d."""
    found = examined(replace(WELL, gpus=(GPU,) * 7), P4D)["gpu-count"]

    assert found.state is State.FAILED
    assert found.cause == "7 of the 8 GPUs of p4d.24xlarge answer"


def test_an_image_whose_name_tells_nothing_leaves_the_driver_open() -> None:
    """No guess is made about somebody's own image."""
    assert examined(WELL, image="my/engine:1")["driver-version"].state is State.UNKNOWN


def test_the_report_has_a_command_below_each_fault() -> None:
    """People read what is wrong and what to type; fine checks stay one line."""
    broken = Finding("mig", State.FAILED, "GPU 0 is cut into MIG slices", "nvidia-smi -mig 0")
    fine = Finding("docker", State.OK, "28.0.1")
    open_ = Finding("agent", State.UNKNOWN, "nothing was deployed")

    assert report.text({"i-1": (broken, fine, open_)}) == (
        "i-1\n"
        "  FAILED   mig     GPU 0 is cut into MIG slices\n"
        "           run: nvidia-smi -mig 0\n"
        "  ok       docker  28.0.1\n"
        "  unknown  agent   nothing was deployed\n"
        "\n"
        "3 checks, 1 failed, 1 without an answer"
    )
    assert report.document({"i-1": (fine,)}) == {
        "ok": True,
        "checked": [
            {
                "name": "i-1",
                "checks": [{"check": "docker", "state": "ok", "cause": "28.0.1", "command": ""}],
            }
        ],
    }
