"""Checks of Docker, the container toolkit, and what containers see."""

from __future__ import annotations

from provision.planning.doctor_case import Case
from provision.planning.finding import Finding, failed, ok, unknown

_OLDEST_TOOLKIT = (1, 18)
_TORCH = "import torch; print(torch.version.cuda, torch.cuda.device_count())"


def docker(case: Case) -> Finding:
    """The daemon answers."""
    facts = case.facts
    if facts.docker_version is not None:
        return ok("docker", facts.docker_version)
    if facts.docker_command is None:
        return failed("docker", "Docker is not installed", "fab setup")
    cause = f"Docker does not answer: {facts.docker_error or 'no reason given'}"
    return failed("docker", cause, "systemctl start docker; journalctl -u docker | tail")


def daemon_json(case: Case) -> Finding:
    """Docker's settings can be read."""
    name, error = "daemon-json", case.evidence.daemon_json_error
    if error:
        cause = f"/etc/docker/daemon.json is not valid JSON: {error}"
        return failed(name, cause, "python3 -m json.tool /etc/docker/daemon.json")
    return ok(name, "valid")


def docker_kind(case: Case) -> Finding:
    """It is the system's own Docker: snap's and a rootless one can't hand GPUs out."""
    name = "docker-kind"
    security = (case.facts.raw.get("docker") or {}).get("security") or []
    if "/snap/" in (case.facts.docker_command or ""):
        return failed(name, "Docker is a snap: it can't see the driver", "snap remove docker")
    if any("rootless" in option for option in security):
        cause = "Docker runs rootless: the toolkit then needs no-cgroups"
        return failed(name, cause, "systemctl --user disable --now docker; fab setup")
    return ok(name, "the system's own")


def compose(case: Case) -> Finding:
    """Compose is there."""
    if case.facts.compose is None:
        return failed("compose", "no `docker compose` and no docker-compose", "fab setup")
    return ok("compose", " ".join(case.facts.compose))


def toolkit(case: Case) -> Finding:
    """The NVIDIA Container Toolkit is there, and not an old one."""
    name, version = "container-toolkit", case.facts.toolkit_version
    if version is None:
        cause = "missing: could not select device driver with capabilities [[gpu]]"
        return failed(name, cause, "fab setup")
    if tuple(map(int, version.split(".")[:2])) < _OLDEST_TOOLKIT:
        least = ".".join(map(str, _OLDEST_TOOLKIT))
        cause = f"{version} is older than {least}"
        return failed(name, cause, "fab config.refresh-ami")
    return ok(name, version)


def runtime(case: Case) -> Finding:
    """Docker knows the nvidia runtime."""
    name, runtimes = "nvidia-runtime", case.facts.docker_runtimes
    if runtimes is None:
        return unknown(name, "Docker does not answer", "docker info -f '{{json .Runtimes}}'")
    if "nvidia" not in runtimes:
        cause = f"Docker knows only {', '.join(runtimes)}, or was not restarted since"
        return failed(name, cause, "fab setup")
    return ok(name, "known to Docker")


def cdi(case: Case) -> Finding:
    """The toolkit has described the devices."""
    name, devices = "cdi", case.evidence.cdi
    if devices is None:
        return unknown(name, "nvidia-ctk gave no answer", "nvidia-ctk cdi list")
    if not devices:
        # Not an error: Docker's own GPU support (--gpus) does without.
        return ok(name, "no devices described; Docker's --gpus does without")
    return ok(name, f"{len(devices)} devices")


def in_container(case: Case) -> Finding:
    """Containers that run see the GPUs that the host sees."""
    name, asked = "gpu-in-container", case.evidence.engine_gpus
    image = case.environment.engine.image
    if not asked:
        return unknown(
            name,
            "no engine runs, so no container can be asked",
            # The engine's image has an entry point of its own, which would take this as arguments.
            f"docker run --rm --gpus all --entrypoint nvidia-smi {image} -L",
        )
    for container, said in asked.items():
        if said.exit_code:
            return failed(name, f"{container}: {_inside(said.text)}", _recreate(container))
    count = sum(line.startswith("GPU ") for said in asked.values() for line in said.lines)
    if not count:
        return failed(name, "nvidia-smi inside lists no GPU", "docker inspect llm-fleet-engine-0")
    return ok(name, f"{len(asked)} engine(s) see {count} GPU(s)")


def _inside(text: str) -> str:
    if "Unknown Error" in text:
        return "its GPU was taken by a systemctl daemon-reload (Failed to initialize NVML)"
    if "not found" in text:
        return "no nvidia-smi inside: it was started without a GPU"
    return text[:200] or "nvidia-smi fails inside"


def _recreate(container: str) -> str:
    return f"docker rm -f {container}; fab deploy"


def visible_devices(case: Case) -> Finding:
    """No variable hides the GPUs from an engine."""
    name = "visible-devices"
    engines = [c for c in case.facts.containers or () if c.is_engine]
    if not engines:
        return unknown(name, "no engine's container is there")
    for engine in engines:
        for variable in engine.visible_devices:
            key, _, value = variable.partition("=")
            if value in ("", "void", "none"):
                cause = f"{engine.name} has {key}={value or '(empty)'}: it sees no GPU"
                return failed(name, cause, "look at engine.env in the environment's file")
    return ok(name, "none hides a GPU")


def image_cuda(case: Case) -> Finding:
    """The engine's own CUDA works."""
    name, image = "cuda-in-image", case.environment.engine.image
    if case.serves:
        return ok(name, "the engine answers")
    command = f"docker run --rm --gpus all --entrypoint python3 {image} -c '{_TORCH}'"
    return unknown(name, "no engine answers; torch in the image would say", command)


CHECKS = (
    docker,
    daemon_json,
    docker_kind,
    compose,
    toolkit,
    runtime,
    cdi,
    in_container,
    visible_devices,
    image_cuda,
)
