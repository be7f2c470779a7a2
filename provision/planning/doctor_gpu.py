"""Checks of GPU and driver, from the bus up."""

from __future__ import annotations

import re

from provision.planning import driver
from provision.planning.doctor_case import Case
from provision.planning.finding import Finding, failed, ok, unknown

_NVSWITCH = re.compile(r"(p4d|p4de|p5|p5e|p5en|p6-b\d+)\.(24|48)xlarge")
_XID = re.compile(r"Xid \([^)]*\): (\d+)")
_XIDS = {
    48: "a double-bit memory error",
    63: "memory rows were remapped",
    74: "an NVLink error",
    79: "the GPU has fallen off the bus",
    94: "a contained memory error",
    95: "an uncontained memory error",
    119: "the GPU's system processor does not answer",
    120: "the GPU's system processor failed",
}
# What nvidia-smi says instead of an answer -> what it means, what to do.
_SMI = (
    ("not installed", "nvidia-smi is not installed", "fab config.refresh-ami"),
    (
        "version mismatch",
        "libraries and module of the driver differ: an upgrade without a reboot",
        "reboot",
    ),
    (
        "couldn't communicate",
        "it can't reach the driver: the module is not loaded",
        "modprobe nvidia; dmesg | grep NVRM | tail",
    ),
    (
        "No devices were found",
        "the driver runs and sees no GPU: it has fallen off the bus",
        "dmesg | grep -E 'NVRM|Xid' | tail",
    ),
    (
        "device handle",
        "a GPU does not answer: it has fallen off the bus",
        "dmesg | grep -E 'NVRM|Xid' | tail",
    ),
    ("GPU is lost", "a GPU has fallen off the bus", "dmesg | grep -E 'NVRM|Xid' | tail"),
    ("Unknown Error", "the driver fails without a reason", "dmesg | grep NVRM | tail"),
    ("no answer within", "it hangs: the GPU does not answer", "dmesg | grep Xid | tail"),
)
_LEFTOVER_MIB = 1024
_REPLACE = "fab rolling-restart won't help: terminate the instance, a new one comes up"


def on_bus(case: Case) -> Finding:
    """The instance has a GPU at all."""
    name, seen, wanted = "gpu-on-bus", case.evidence.bus_gpus, case.expected_gpus
    if case.kernel_hidden:
        return ok(name, "nvidia-smi lists GPUs, so there are some")
    if not seen:
        return failed(
            name,
            f"no NVIDIA device on the PCI bus of this {case.host.instance_type or 'instance'}",
            "lspci -nn | grep -i nvidia",
        )
    if wanted is not None and seen < wanted:
        return failed(name, f"{seen} of {wanted} GPUs are on the PCI bus", "lspci -nn | grep 10de")
    return ok(name, f"{seen} on the PCI bus")


def driver_loaded(case: Case) -> Finding:
    """The kernel module runs."""
    name, modules = "driver-loaded", case.evidence.modules
    if case.facts.gpus:
        return ok(name, f"nvidia-smi talks to driver {case.facts.driver_version}")
    if modules is None:
        return unknown(name, "the host did not say which modules it has", "lsmod | grep ^nvidia")
    if "nouveau" in modules:
        cause = "the open nouveau driver holds the GPU instead of NVIDIA's"
        return failed(name, cause, "echo blacklist nouveau > /etc/modprobe.d/nouveau.conf; reboot")
    if any(module.startswith("nvidia") for module in modules):
        return ok(name, "the module is loaded")
    return failed(name, f"the nvidia module is not loaded{_why_not_loaded(case)}", "dkms status")


def _why_not_loaded(case: Case) -> str:
    built, kernel = case.evidence.dkms, case.facts.kernel or ""
    if case.evidence.secure_boot:
        return ": secure boot refuses modules that are not signed"
    if built and "nvidia" in built.text and kernel not in built.text:
        return f": it was built for another kernel than {kernel} (the kernel was upgraded)"
    return ""


def nvidia_smi(case: Case) -> Finding:
    """User space and module understand each other."""
    name, said = "nvidia-smi", case.facts.smi_error or ""
    if case.facts.gpus:
        return ok(name, f"{len(case.facts.gpus)} x {case.facts.gpus[0].name}")
    for sign, cause, command in _SMI:
        if sign in said:
            return failed(name, cause, command)
    return failed(name, said[:200] or "no answer", "nvidia-smi")


def gpu_count(case: Case) -> Finding:
    """All GPUs of the instance type are there."""
    name, wanted = "gpu-count", case.expected_gpus
    if case.facts.gpus is None:
        return unknown(name, "nvidia-smi does not list them", "nvidia-smi -L")
    seen = len(case.facts.gpus)
    if wanted is None:
        return unknown(name, f"{seen} seen; the instance type is not in the catalogue")
    if seen != wanted:
        cause = f"{seen} of the {wanted} GPUs of {case.host.instance_type} answer"
        return failed(name, cause, "dmesg | grep -E 'NVRM|Xid' | tail")
    return ok(name, f"all {wanted} of {case.host.instance_type}")


def xids(case: Case) -> Finding:
    """The driver reported no error of the hardware."""
    name, log = "gpu-errors", case.evidence.kernel_log
    if log is None:
        return unknown(name, "the kernel's log can't be read", "dmesg | grep -E 'NVRM|Xid'")
    seen = [(int(match[1]), line) for line in log if (match := _XID.search(line))]
    bad = [(number, line) for number, line in seen if number in _XIDS]
    if bad:
        number, line = bad[-1]
        return failed(name, f"Xid {number}: {_XIDS[number]} ({line[-120:]})", _REPLACE)
    return ok(name, "no serious Xid in the kernel's log")


def driver_version(case: Case) -> Finding:
    """The driver is new enough for the engine's image."""
    name, engine = "driver-version", case.environment.engine
    branch = case.facts.driver_branch
    if branch is None:
        return unknown(name, "no driver answers", "cat /proc/driver/nvidia/version")
    needed = driver.least_branch(engine.image, engine.env)
    if needed is None:
        return unknown(name, f"R{branch}; the name {engine.image} does not tell what it needs")
    if old := driver.too_old(branch, engine.image, engine.env):
        return failed(name, f"{old}: CUDA errors 803 and 804", "fab config.refresh-ami")
    return ok(name, f"R{branch}; {engine.image} needs R{needed}")


def fabric_manager(case: Case) -> Finding:
    """It runs where GPUs are joined by NVSwitch, in the driver's own version, and only there."""
    name, runs = "fabric-manager", case.evidence.fabric_manager
    service = "nvidia-fabricmanager"
    if runs is None:
        return unknown(name, "systemd gave no answer", f"systemctl status {service}")
    if not _NVSWITCH.fullmatch(case.host.instance_type):
        if runs:
            cause = f"it runs, but a {case.host.instance_type} has no NVSwitch"
            return failed(name, cause, f"systemctl disable --now {service}")
        return ok(name, f"not needed on {case.host.instance_type or 'this instance'}")
    if not runs:
        cause = "it does not run: CUDA error 802, system not yet initialized"
        return failed(name, cause, f"systemctl enable --now {service}")
    version = case.evidence.fabric_manager_version
    if version and version != case.facts.driver_version:
        cause = f"its version {version} is not the driver's {case.facts.driver_version}"
        return failed(name, cause, "fab config.refresh-ami")
    return ok(name, f"runs, {version or 'version unknown'}")


def memory_errors(case: Case) -> Finding:
    """No GPU counts memory errors that could not be corrected."""
    name = "gpu-memory-errors"
    counts = [gpu.ecc_uncorrected for gpu in case.facts.gpus or ()]
    if not counts or all(count is None for count in counts):
        return unknown(name, "the GPU does not count them", "nvidia-smi -q -d ECC")
    if sum(count or 0 for count in counts):
        text = ", ".join(f"GPU {n}: {count}" for n, count in enumerate(counts) if count)
        return failed(name, f"uncorrected memory errors ({text})", _REPLACE)
    return ok(name, "none")


def mig(case: Case) -> Finding:
    """GPUs are whole."""
    name = "mig"
    if case.facts.gpus is None:
        return unknown(name, "nvidia-smi gave no answer", "nvidia-smi -q -d MIG")
    sliced = [str(n) for n, gpu in enumerate(case.facts.gpus) if gpu.mig]
    if sliced:
        cause = f"GPU {', '.join(sliced)} is cut into MIG slices, only those are visible"
        return failed(name, cause, "nvidia-smi -mig 0")
    return ok(name, "off")


def leftovers(case: Case) -> Finding:
    """No process holds GPU memory that an engine needs."""
    name = "gpu-memory"
    if case.facts.gpus is None:
        return unknown(name, "nvidia-smi gave no answer", "nvidia-smi")
    used = sum(gpu.used_mib for gpu in case.facts.gpus)
    if case.facts.engine_running:
        return ok(name, f"{used} MiB in use, an engine runs")
    if used > _LEFTOVER_MIB:
        pids = ", ".join(line.split(",")[0] for line in case.evidence.compute_pids or ())
        cause = f"{used} MiB in use although no engine runs (processes: {pids or 'unknown'})"
        command = "nvidia-smi --query-compute-apps=pid,used_memory --format=csv"
        return failed(name, cause, command)
    return ok(name, f"{used} MiB in use")


def persistence(case: Case) -> Finding:
    """The driver stays loaded between processes."""
    name = "persistence-mode"
    states = {gpu.persistence for gpu in case.facts.gpus or ()} - {None}
    if not states:
        return unknown(name, "nvidia-smi does not say", "nvidia-smi -q | grep Persistence")
    if False in states and not case.facts.engine_running:
        return ok(name, "off: the first process after a pause waits for the driver (-pm 1)")
    return ok(name, "on" if states == {True} else "off, and an engine keeps the driver loaded")


def device_files(case: Case) -> Finding:
    """Containers have files to reach the GPU through."""
    name, there = "device-files", case.evidence.devices
    if case.kernel_hidden or there is None:
        return unknown(name, "the kernel can't be seen from here", "ls /dev/nvidia*")
    wanted = ["nvidiactl", "nvidia-uvm", *(f"nvidia{n}" for n in range(case.expected_gpus or 1))]
    if missing := [f"/dev/{file}" for file in wanted if file not in there]:
        cause = f"{', '.join(missing)} missing: CUDA fails although nvidia-smi may work"
        return failed(name, cause, "nvidia-modprobe -u -c=0")
    return ok(name, f"{len(there)} in /dev")


CHECKS = (
    on_bus,
    driver_loaded,
    nvidia_smi,
    gpu_count,
    xids,
    driver_version,
    fabric_manager,
    memory_errors,
    mig,
    leftovers,
    persistence,
    device_files,
)
