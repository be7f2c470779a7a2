"""All facts of a host as one JSON document, in one round trip.

Sent whole over SSH as ``python3 - [thorough]``: one file, Python 3.9, standard library only, and
nothing on the host is changed. A question without an answer is ``null``, and ``errors`` says why.
Each function below is a question; its name is the key of its answer.
"""

# Without pathlib, http.client, shutil and typing: they would double what this costs every host.

from __future__ import annotations

import importlib.util
import json
import os
import resource
import socket
import subprocess
import sys
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional

    Facts = Dict[str, Any]

CACHE = "/var/lib/llm-fleet/cache"
HOME = "/opt/llm-fleet"
DOCKER_SOCKET = "/var/run/docker.sock"
PLUGIN_FOLDERS = (
    *("/usr/local/lib/docker", "/usr/local/libexec/docker", "/usr/lib/docker"),
    *("/usr/libexec/docker", "/root/.docker"),
)
PACKAGE_LOCKS = ("/var/lib/dpkg/lock-frontend", "/var/lib/apt/lists/lock", "/var/lib/rpm/.rpm.lock")
GPU_FIELDS = (
    "index,name,uuid,memory.total,memory.used,driver_version,"
    "ecc.errors.uncorrected.volatile.total,persistence_mode,mig.mode.current"
)
CSV = "--format=csv,noheader,nounits"
SMI_S = 20  # without persistence mode the driver is set up for each call


def system() -> Facts:
    return {
        "release": read("/etc/os-release"),
        "architecture": os.uname().machine,
        "kernel": os.uname().release,
        "root": os.geteuid() == 0,
        "boto3": importlib.util.find_spec("boto3") is not None,
        "time": time.time(),
        "nofile": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
    }


def docker() -> Facts:
    cli = which("docker")
    facts: Facts = {"cli": cli and os.path.realpath(cli), "compose": compose(), "error": None}
    facts["daemon_json"] = read("/etc/docker/daemon.json")
    try:
        info = docker_api("/info")
    except (OSError, ValueError) as error:
        return dict(facts, error=f"{DOCKER_SOCKET}: {error}")
    return dict(
        facts,
        version=info.get("ServerVersion"),
        runtimes=sorted(info.get("Runtimes") or {}),
        cgroup_driver=info.get("CgroupDriver"),
        security=info.get("SecurityOptions"),
    )


def compose() -> Optional[List[str]]:
    """How compose is called: looked for, not asked, because v1 takes a second to say its name."""
    for folder in PLUGIN_FOLDERS:
        if os.access(f"{folder}/cli-plugins/docker-compose", os.X_OK):
            return ["docker", "compose"]
    return ["docker-compose"] if which("docker-compose") else None


def images() -> List[str]:
    return sorted({t for image in docker_api("/images/json") for t in image.get("RepoTags") or ()})


def containers() -> List[Facts]:
    listed = docker_api("/containers/json?all=1")
    ours = [item["Id"] for item in listed if item["Names"][0].startswith("/llm-fleet-")]
    return [container(docker_api(f"/containers/{name}/json")) for name in ours]


def container(asked: Facts) -> Facts:
    variables = asked["Config"].get("Env") or ()
    return {
        "name": asked["Name"].lstrip("/"),
        "image": asked["Config"].get("Image"),
        "state": asked["State"],
        "restarts": asked.get("RestartCount"),
        "visible_devices": [line for line in variables if "VISIBLE_DEVICES=" in line],
    }


def toolkit() -> Optional[Facts]:
    return run(["nvidia-ctk", "--version"])


def nvidia() -> Facts:
    smi = run(["nvidia-smi", f"--query-gpu={GPU_FIELDS}", CSV], SMI_S)
    return {"smi": smi, "module": read("/proc/driver/nvidia/version")}


def disks() -> Facts:
    found: Facts = {"cache_mounted": os.path.ismount(CACHE), "cache_uuid": uuid(device(CACHE))}
    for name, path in (("root", "/"), ("docker", "/var/lib/docker"), ("cache", CACHE)):
        if os.path.isdir(path):
            found[name] = {"free": space(path)[0], "device": device(path)}
    return found


def device(path: str) -> Optional[str]:
    """The mount source of *path*; None when it is no mount point."""
    for line in (read("/proc/self/mountinfo") or "").splitlines():
        mount, _, source = line.partition(" - ")
        if mount.split()[4] == path:
            return source.split()[1]
    return None


def uuid(source: Optional[str]) -> Optional[str]:
    for link in names_in("/dev/disk/by-uuid"):
        if os.path.realpath(f"/dev/disk/by-uuid/{link}") == os.path.realpath(source or ""):
            return link
    asked = run(["blkid", "-s", "UUID", "-o", "value", source]) if source else None
    return asked["out"] or None if asked else None


def fleet() -> Facts:
    program, current = f"{HOME}/host.pyz", f"{HOME}/current"
    return {
        "program": sha256(program) if os.path.isfile(program) else None,
        "release": os.path.basename(os.readlink(current)) if os.path.islink(current) else None,
        "releases": [n for n in names_in(f"{HOME}/releases") if n[:2] == "r-" and "." not in n],
    }


def agent() -> Any:
    try:
        return get(socket.AF_INET, ("127.0.0.1", 8081), "/status", 3)
    except (OSError, ValueError):
        return None


def listening() -> List[int]:
    """TCP ports that somebody listens on: milliseconds of the kernel's time on a large host."""
    tables = (read(f"/proc/net/{name}") or "" for name in ("tcp", "tcp6"))
    rows = [line.split() for table in tables for line in table.splitlines()]
    return sorted({int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == "0A"})


def memory() -> Facts:
    return {"meminfo": read("/proc/meminfo"), "shm": space("/dev/shm")[1]}  # noqa: S108


def package_lock() -> Optional[str]:
    """The package manager's lock that a process holds; None when none is held."""
    held = {line.split()[-3] for line in (read("/proc/locks") or "").splitlines()}
    for path in filter(os.path.exists, PACKAGE_LOCKS):
        at = os.stat(path)
        if f"{os.major(at.st_dev):02x}:{os.minor(at.st_dev):02x}:{at.st_ino}" in held:
            return path
    return None


def bus() -> Optional[int]:
    """GPUs of NVIDIA on the PCI bus (vendor 10de, class 03: display); None when there is none."""
    parts = [f"/sys/bus/pci/devices/{name}" for name in names_in("/sys/bus/pci/devices")]
    ours = [part for part in parts if (read(f"{part}/vendor") or "").startswith("0x10de")]
    return sum((read(f"{part}/class") or "").startswith("0x03") for part in ours) or None


def kernel() -> Facts:
    modules = [line.split()[0] for line in (read("/proc/modules") or "").splitlines()]
    log = run(["dmesg"])
    lines = log["out"].splitlines() if log and log["exit"] == 0 else None
    return {
        "modules": [name for name in modules if name.startswith(("nvidia", "nouveau"))],
        "log": lines and [line for line in lines if "NVRM" in line or "Xid" in line][-20:],
        "dkms": run(["dkms", "status"]),
        "secure_boot": run(["mokutil", "--sb-state"]),
        "devices": [name for name in names_in("/dev") if name.startswith("nvidia")],
    }


def fabric_manager() -> Facts:
    active = run(["systemctl", "is-active", "nvidia-fabricmanager"])
    return {"active": active, "version": run(["nv-fabricmanager", "--version"])}


def compute_apps() -> Optional[Facts]:
    return run(["nvidia-smi", "--query-compute-apps=pid,used_memory", CSV], SMI_S)


def cdi() -> Optional[Facts]:
    return run(["nvidia-ctk", "cdi", "list"])


def engine_gpus() -> Facts:
    """What nvidia-smi says inside each engine's container that runs."""
    names = [c["name"] for c in containers() if c["state"] == "running" and "engine" in c["name"]]
    return {name: run(["docker", "exec", name, "nvidia-smi", "-L"], SMI_S) for name in names}


def run(words: List[str], timeout_s: float = 8) -> Optional[Facts]:
    """Exit code and both outputs; None when the program is not there."""
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=timeout_s, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError:
        return None
    except subprocess.TimeoutExpired:
        return {"exit": 124, "out": "", "err": f"no answer within {timeout_s} s"}
    return {"exit": done.returncode, "out": done.stdout.strip(), "err": done.stderr.strip()}


def read(path: str) -> Optional[str]:
    """A file's text; None when it can't be read."""
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except OSError:
        return None


def names_in(folder: str) -> List[str]:
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def which(program: str) -> Optional[str]:
    paths = (f"{folder}/{program}" for folder in os.get_exec_path())
    return next((path for path in paths if os.access(path, os.X_OK)), None)


def space(path: str) -> List[int]:
    """Bytes that are free for root's programs, and all."""
    at = os.statvfs(path)
    return [at.f_bavail * at.f_frsize, at.f_blocks * at.f_frsize]


def sha256(path: str) -> str:
    import hashlib  # brings OpenSSL along; a new host has no program to sum

    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def docker_api(path: str) -> Any:
    return get(socket.AF_UNIX, DOCKER_SOCKET, path, 8)


def get(family: int, address: Any, path: str, timeout_s: float) -> Any:
    """A JSON document over HTTP/1.0, whose answers are whole and end with the connection."""
    with socket.socket(family) as wire, wire.makefile("rwb") as stream:
        wire.settimeout(timeout_s)
        wire.connect(address)  # resolves nothing: that would load Unicode's tables of names
        stream.write(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        stream.flush()
        head, _, body = stream.read().partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n")[0]:
        raise ValueError(f"{path}: {head[:100]!r}")
    return json.loads(body)


def ask_all(questions: List[Callable[[], Any]]) -> Facts:
    """Every question in a thread of its own: most of them wait for somebody."""
    answers: Facts = {}
    errors: Dict[str, str] = {}

    def ask(question: Callable[[], Any]) -> None:
        try:
            answers[question.__name__] = question()
        except Exception as error:  # one that fails must not cost the others their answer
            answers[question.__name__] = None
            errors[question.__name__] = f"{type(error).__name__}: {error}"

    threads = [threading.Thread(target=ask, args=(question,)) for question in questions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return dict(answers, schema=1, errors=errors)


BASIC: List[Callable[[], Any]] = [system, docker, images, containers, toolkit, nvidia, disks]
BASIC += [fleet, agent, memory, package_lock]
THOROUGH = [listening, bus, kernel, fabric_manager, compute_apps, cdi, engine_gpus]

if __name__ == "__main__":
    sys.stdout.write(json.dumps(ask_all(BASIC + (THOROUGH if "thorough" in sys.argv else []))))
