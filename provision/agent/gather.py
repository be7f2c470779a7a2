"""All facts of a host as one JSON document, in one round trip.

Sent whole over SSH as ``python3 - [thorough]``: one file, Python 3.9, standard library only, and
nothing on the host is changed. A question without an answer is ``null``, and ``errors`` says why.
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
import urllib.request

SCHEMA = 1
CACHE = "/var/lib/llm-fleet/cache"
HOME = "/opt/llm-fleet"
AGENT = "http://127.0.0.1:8081/status"
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
SMI_S = 20  # without persistence mode the driver is set up for each call


def run(words, timeout_s=8):
    """Exit code and both outputs; None when the program is not there."""
    if not shutil.which(words[0]):
        return None
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=timeout_s, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        return {"exit": 124, "out": "", "err": "no answer within %d s" % timeout_s}
    return {"exit": done.returncode, "out": done.stdout.strip(), "err": done.stderr.strip()}


def read(path):
    """A file's text; None when it can't be read."""
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except OSError:
        return None


def system():
    words = (line.partition("=") for line in (read("/etc/os-release") or "").splitlines())
    release = {key: value.strip("\"'") for key, _, value in words}
    return {
        "id": release.get("ID"),
        "version": release.get("VERSION_ID"),
        "architecture": platform.machine(),
        "kernel": platform.release(),
        "root": os.geteuid() == 0,
        "python": platform.python_version(),
        "boto3": importlib.util.find_spec("boto3") is not None,
        "time": time.time(),
        "nofile": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
    }


class DockerConnection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(DOCKER_SOCKET)


def docker_api(path):
    connection = DockerConnection("docker", timeout=8)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def docker():
    cli = shutil.which("docker")
    facts = {"cli": cli and os.path.realpath(cli), "compose": compose(), "error": None}
    try:
        info = docker_api("/info")
    except (OSError, ValueError, http.client.HTTPException) as error:
        return dict(facts, error="%s: %s" % (DOCKER_SOCKET, error))
    return dict(
        facts,
        version=info.get("ServerVersion"),
        runtimes=sorted(info.get("Runtimes") or {}),
        cgroup_driver=info.get("CgroupDriver"),
        folder=info.get("DockerRootDir"),
        security=info.get("SecurityOptions"),
    )


def compose():
    """How compose is called: looked for, not asked, because v1 takes a second to say its name."""
    for folder in PLUGIN_FOLDERS:
        if os.access(folder + "/cli-plugins/docker-compose", os.X_OK):
            return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else None


def images():
    listed = docker_api("/images/json")
    return sorted({tag for image in listed for tag in image.get("RepoTags") or ()})


def containers():
    names = json.dumps({"name": ["^/llm-fleet-"]})
    query = "/containers/json?all=1&filters=" + urllib.request.quote(names)
    return [container(docker_api("/containers/%s/json" % c["Id"])) for c in docker_api(query)]


def container(asked):
    state, config = asked["State"], asked["Config"]
    visible = [v for v in config.get("Env") or () if "VISIBLE_DEVICES=" in v]
    return {
        "name": asked["Name"].lstrip("/"),
        "image": config.get("Image"),
        "state": state.get("Status"),
        "restarts": asked.get("RestartCount"),
        "exit_code": state.get("ExitCode"),
        "oom_killed": state.get("OOMKilled"),
        "started_at": state.get("StartedAt"),
        "visible_devices": visible,
    }


def toolkit():
    asked = run(["nvidia-ctk", "--version"])
    found = re.search(r"version (\d[\w.]*)", asked["out"]) if asked else None
    return found and found.group(1)


def nvidia():
    smi = run(["nvidia-smi", "--query-gpu=" + GPU_FIELDS, "--format=csv,noheader,nounits"], SMI_S)
    return {"smi": smi, "module": read("/proc/driver/nvidia/version")}


def disks():
    found = {}
    for name, path in (("root", "/"), ("docker", "/var/lib/docker"), ("cache", CACHE)):
        if os.path.isdir(path):
            use = shutil.disk_usage(path)
            found[name] = {"free": use.free, "total": use.total, "device": device(path)}
    return dict(found, cache_mounted=os.path.ismount(CACHE), cache_uuid=uuid(device(CACHE)))


def device(path):
    """The mount source of *path*; None when it is no mount point."""
    for line in (read("/proc/self/mountinfo") or "").splitlines():
        mount, _, source = line.partition(" - ")
        if mount.split()[4] == path:
            return source.split()[1]
    return None


def uuid(source):
    folder = "/dev/disk/by-uuid"
    for name in os.listdir(folder) if source and os.path.isdir(folder) else ():
        if os.path.realpath(folder + "/" + name) == os.path.realpath(source):
            return name
    asked = run(["blkid", "-s", "UUID", "-o", "value", source]) if source else None
    return asked["out"] or None if asked else None


def fleet():
    folder = HOME + "/releases"
    program = HOME + "/host.pyz"
    current = HOME + "/current"
    sums = None
    if os.path.isfile(program):
        with open(program, "rb") as file:
            sums = hashlib.sha256(file.read()).hexdigest()
    names = os.listdir(folder) if os.path.isdir(folder) else ()
    return {
        "program_sha256": sums,
        "release": os.path.basename(os.readlink(current)) if os.path.islink(current) else None,
        "releases": sorted(name for name in names if re.fullmatch(r"r-[0-9a-f]{12}", name)),
    }


def agent():
    try:
        with urllib.request.urlopen(AGENT, timeout=3) as answer:
            return json.loads(answer.read())
    except (OSError, ValueError):
        return None


def listening():
    """TCP ports that somebody listens on."""
    lines = [li for name in ("tcp", "tcp6") for li in (read("/proc/net/" + name) or "").split("\n")]
    rows = (line.split() for line in lines)
    return sorted({int(r[1].rpartition(":")[2], 16) for r in rows if len(r) > 3 and r[3] == "0A"})


def memory():
    pairs = (line.split(":") for line in (read("/proc/meminfo") or "").splitlines())
    kib = {key: int(value.split()[0]) for key, value in pairs}
    shm = shutil.disk_usage("/dev/shm").total if os.path.isdir("/dev/shm") else 0
    names = {"total": "MemTotal", "available": "MemAvailable", "swap": "SwapTotal"}
    return dict({name: kib[key] * 1024 for name, key in names.items()}, shm=shm)


def package_lock():
    """The lock of the package manager that some process holds; None when none is held."""
    held = {line.split()[-3] for line in (read("/proc/locks") or "").splitlines()}
    for path in PACKAGE_LOCKS:
        if os.path.exists(path) and "%02x:%02x:%d" % place(path) in held:
            return path
    return None


def place(path):
    at = os.stat(path)
    return os.major(at.st_dev), os.minor(at.st_dev), at.st_ino


def bus():
    """GPUs of NVIDIA on the PCI bus; None when the bus can't be seen."""
    folder = "/sys/bus/pci/devices"
    if not os.path.isdir(folder):
        return None
    kinds = [
        (read("%s/%s/vendor" % (folder, name)) or "", read("%s/%s/class" % (folder, name)) or "")
        for name in os.listdir(folder)
    ]
    return sum(1 for vendor, kind in kinds if vendor.startswith("0x10de") and kind[:4] == "0x03")


def kernel():
    modules = [line.split()[0] for line in (read("/proc/modules") or "").splitlines()]
    log = run(["dmesg"])
    lines = log["out"].splitlines() if log and log["exit"] == 0 else None
    return {
        "modules": [name for name in modules if name.startswith(("nvidia", "nouveau"))],
        "log": lines and [line for line in lines if "NVRM" in line or "Xid" in line][-20:],
        "dkms": run(["dkms", "status"]),
        "secure_boot": run(["mokutil", "--sb-state"]),
        "devices": sorted(name for name in os.listdir("/dev") if name.startswith("nvidia")),
    }


def fabric_manager():
    version = run(["nv-fabricmanager", "--version"])
    found = re.search(r"\d+\.\d+[.\d]*", version["out"]) if version else None
    active = run(["systemctl", "is-active", "nvidia-fabricmanager"])
    return {"active": active and active["out"] == "active", "version": found and found.group()}


def compute_apps():
    words = ["--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"]
    return run(["nvidia-smi", *words], SMI_S)


def daemon_json():
    text = read("/etc/docker/daemon.json")
    try:
        return {"there": text is not None, "value": json.loads(text or "{}"), "error": None}
    except ValueError as error:
        return {"there": True, "value": None, "error": str(error)}


def cdi():
    asked = run(["nvidia-ctk", "cdi", "list"])
    return asked and [li.strip() for li in asked["out"].splitlines() if "nvidia.com/gpu" in li]


def engine_gpus():
    """What nvidia-smi says inside each engine's container that runs."""
    names = [c["name"] for c in containers() if c["state"] == "running" and "engine" in c["name"]]
    return {name: run(["docker", "exec", name, "nvidia-smi", "-L"], SMI_S) for name in names}


BASIC = (system, docker, images, containers, toolkit, nvidia, disks, fleet, agent, listening)
BASIC += (memory, package_lock)
THOROUGH = (bus, kernel, fabric_manager, compute_apps, daemon_json, cdi, engine_gpus)


def ask_all(questions):
    """Every question in a thread of its own: most of them wait for somebody."""
    answers = {"schema": SCHEMA, "errors": {}}

    def ask(question):
        try:
            answers[question.__name__] = question()
        except Exception as error:  # one that fails must not cost the others their answer
            answers[question.__name__] = None
            answers["errors"][question.__name__] = "%s: %s" % (type(error).__name__, error)

    threads = [threading.Thread(target=ask, args=(question,)) for question in questions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


if __name__ == "__main__":
    print(json.dumps(ask_all(BASIC + (THOROUGH if "thorough" in sys.argv else ()))))
