"""All facts of a host as one JSON document, in one round trip.

Sent whole over SSH as ``python3 - [thorough]``: one file, Python 3.9, standard library only, and
nothing on the host is changed. A question without an answer is ``null``, and ``errors`` says why.
Each function below is a question; its name is the key of its answer.
"""

from __future__ import annotations

import hashlib
import http.client
import importlib.util
import json
import os
import platform
import re
import resource
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

CACHE = "/var/lib/llm-fleet/cache"
HOME = Path("/opt/llm-fleet")
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
Facts = Dict[str, Any]


def system() -> Facts:
    lines = (line.partition("=") for line in (read("/etc/os-release") or "").splitlines())
    release = {key: value.strip("\"'") for key, _, value in lines}
    return {
        "id": release.get("ID"),
        "version": release.get("VERSION_ID"),
        "architecture": platform.machine(),
        "kernel": platform.release(),
        "root": os.geteuid() == 0,
        "boto3": importlib.util.find_spec("boto3") is not None,
        "time": time.time(),
        "nofile": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
    }


def docker() -> Facts:
    cli = shutil.which("docker")
    facts: Facts = {"cli": cli and os.path.realpath(cli), "compose": compose(), "error": None}
    facts["daemon_json"] = read("/etc/docker/daemon.json")
    try:
        info = docker_api("/info")
    except (OSError, ValueError, http.client.HTTPException) as error:
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
    return ["docker-compose"] if shutil.which("docker-compose") else None


def images() -> List[str]:
    return sorted({t for image in docker_api("/images/json") for t in image.get("RepoTags") or ()})


def containers() -> List[Facts]:
    names = urllib.parse.quote(json.dumps({"name": ["^/llm-fleet-"]}))
    listed = docker_api(f"/containers/json?all=1&filters={names}")
    return [container(docker_api(f"/containers/{item['Id']}/json")) for item in listed]


def container(asked: Facts) -> Facts:
    state, config = asked["State"], asked["Config"]
    return {
        "name": asked["Name"].lstrip("/"),
        "image": config.get("Image"),
        "state": state.get("Status"),
        "restarts": asked.get("RestartCount"),
        "exit_code": state.get("ExitCode"),
        "oom_killed": state.get("OOMKilled"),
        "started_at": state.get("StartedAt"),
        "visible_devices": [v for v in config.get("Env") or () if "VISIBLE_DEVICES=" in v],
    }


def toolkit() -> Optional[str]:
    return number(run(["nvidia-ctk", "--version"]))


def nvidia() -> Facts:
    smi = run(["nvidia-smi", f"--query-gpu={GPU_FIELDS}", CSV], SMI_S)
    return {"smi": smi, "module": read("/proc/driver/nvidia/version")}


def disks() -> Facts:
    found: Facts = {"cache_mounted": os.path.ismount(CACHE), "cache_uuid": uuid(device(CACHE))}
    for name, path in (("root", "/"), ("docker", "/var/lib/docker"), ("cache", CACHE)):
        if Path(path).is_dir():
            use = shutil.disk_usage(path)
            found[name] = {"free": use.free, "total": use.total, "device": device(path)}
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
    program, current = HOME / "host.pyz", HOME / "current"
    names = names_in(HOME / "releases")
    return {
        "program": hashlib.sha256(program.read_bytes()).hexdigest() if program.is_file() else None,
        "release": current.readlink().name if current.is_symlink() else None,
        "releases": [name for name in names if re.fullmatch(r"r-[0-9a-f]{12}", name)],
    }


def agent() -> Any:
    try:
        return get(http.client.HTTPConnection("127.0.0.1", 8081, timeout=3), "/status")
    except (OSError, ValueError, http.client.HTTPException):
        return None


def listening() -> List[int]:
    """TCP ports that somebody listens on."""
    tables = (read(f"/proc/net/{name}") or "" for name in ("tcp", "tcp6"))
    rows = [line.split() for table in tables for line in table.splitlines()]
    return sorted({int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == "0A"})


def memory() -> Facts:
    """Bytes."""
    pairs = (line.split(":") for line in (read("/proc/meminfo") or "").splitlines())
    kib = {key: int(value.split()[0]) for key, value in pairs}
    names = {"total": "MemTotal", "available": "MemAvailable", "swap": "SwapTotal"}
    shm = shutil.disk_usage("/dev/shm").total  # noqa: S108  # asked for its size
    return dict({name: kib[key] * 1024 for name, key in names.items()}, shm=shm)


def package_lock() -> Optional[str]:
    """The package manager's lock that a process holds; None when none is held."""
    held = {line.split()[-3] for line in (read("/proc/locks") or "").splitlines()}
    for path in filter(os.path.exists, PACKAGE_LOCKS):
        at = Path(path).stat()
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
    version = number(run(["nv-fabricmanager", "--version"]))
    return {"active": active and active["out"] == "active", "version": version}


def compute_apps() -> Optional[Facts]:
    return run(["nvidia-smi", "--query-compute-apps=pid,used_memory", CSV], SMI_S)


def cdi() -> Optional[List[str]]:
    asked = run(["nvidia-ctk", "cdi", "list"])
    return [w for w in asked["out"].split() if w.startswith("nvidia.com/gpu")] if asked else None


def engine_gpus() -> Facts:
    """What nvidia-smi says inside each engine's container that runs."""
    names = [c["name"] for c in containers() if c["state"] == "running" and "engine" in c["name"]]
    return {name: run(["docker", "exec", name, "nvidia-smi", "-L"], SMI_S) for name in names}


def run(words: List[str], timeout_s: float = 8) -> Optional[Facts]:
    """Exit code and both outputs; None when the program is not there."""
    if not shutil.which(words[0]):
        return None
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=timeout_s, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        return {"exit": 124, "out": "", "err": f"no answer within {timeout_s} s"}
    return {"exit": done.returncode, "out": done.stdout.strip(), "err": done.stderr.strip()}


def read(path: str) -> Optional[str]:
    """A file's text; None when it can't be read."""
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return None


def names_in(folder: Any) -> List[str]:
    return sorted(path.name for path in Path(folder).iterdir()) if Path(folder).is_dir() else []


def number(asked: Optional[Facts]) -> Optional[str]:
    """The first version number in an answer."""
    found = re.search(r"\d+\.\d+[.\d]*", asked["out"]) if asked else None
    return found and found.group().rstrip(".")


def docker_api(path: str) -> Any:
    connection = http.client.HTTPConnection("docker", timeout=8)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(8)
    connection.sock.connect(DOCKER_SOCKET)
    return get(connection, path)


def get(connection: http.client.HTTPConnection, path: str) -> Any:
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


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
BASIC += [fleet, agent, listening, memory, package_lock]
THOROUGH = [bus, kernel, fabric_manager, compute_apps, cdi, engine_gpus]

if __name__ == "__main__":
    json.dump(ask_all(BASIC + (THOROUGH if "thorough" in sys.argv else [])), sys.stdout)
