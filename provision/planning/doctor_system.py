"""Checks of everything else on a host that keeps an engine from running."""

from __future__ import annotations

from provision.planning.doctor_case import Case
from provision.planning.finding import Finding, failed, ok, unknown

_LEAST_ROOT_GIB = 10.0
_LEAST_CACHE_GIB = 5.0
_LEAST_MEMORY_GIB = 1.0
_LEAST_SHM_GIB = 1.0
_LEAST_FILES = 8192
_MOST_SKEW_S = 30.0
_FRONT, _AGENT, _ENGINES = 8000, 8081, 8001
_SICK = ("hung", "crash-loop", "stopped")


def root(case: Case) -> Finding:
    """The checks could look everywhere."""
    if case.facts.sudo:
        return ok("sudo", f"{case.environment.access.user} may become root")
    cause = "not asked as root: Docker, locks and the kernel's log stay unseen"
    return failed("sudo", cause, "sudo -n true")


def cache_mount(case: Case) -> Finding:
    """The cache is a volume of its own."""
    name, facts = "cache-mount", case.facts
    if facts.cache_mounted is None:
        return unknown(name, "the host did not say", "findmnt /var/lib/llm-fleet/cache")
    if not facts.cache_mounted:
        cause = "/var/lib/llm-fleet/cache is not mounted: weights would fill the root disk"
        return failed(name, cause, "journalctl -u llm-fleet-boot | tail -50")
    if facts.cache_device is not None and facts.cache_device == facts.root_device:
        cause = f"the cache lies on the root disk {facts.root_device}"
        return failed(name, cause, "findmnt /var/lib/llm-fleet/cache; lsblk")
    return ok(name, f"{facts.cache_device}, UUID {facts.cache_uuid or 'unknown'}")


def space(case: Case) -> Finding:
    """There is room for a release, an image and weights."""
    places = (
        ("/", case.facts.root_free_gib, _LEAST_ROOT_GIB),
        ("the cache", case.facts.cache_free_gib, _LEAST_CACHE_GIB),
    )
    known = [(where, free, least) for where, free, least in places if free is not None]
    if not known:
        return unknown("disk-space", "the host did not say", "df -h")
    if tight := [f"{where} has {free:.1f} GiB" for where, free, least in known if free < least]:
        cause = f"almost full: {', '.join(tight)}"
        return failed("disk-space", cause, "df -h; docker system df")
    return ok("disk-space", ", ".join(f"{free:.0f} GiB on {where}" for where, free, _ in known))


def memory(case: Case) -> Finding:
    """Main memory is left."""
    left = case.facts.memory_available_gib
    if left is None:
        return unknown("memory", "the host did not say", "free -g")
    if left < _LEAST_MEMORY_GIB:
        cause = f"{left:.1f} GiB left, {case.facts.swap_gib or 0:.0f} GiB swap"
        return failed("memory", cause, "ps aux --sort=-rss | head")
    return ok("memory", f"{left:.0f} of {case.facts.memory_gib or 0:.0f} GiB left")


def shared_memory(case: Case) -> Finding:
    """NCCL has room to exchange data between the workers of one engine."""
    size = case.facts.shm_gib
    if size is None:
        return unknown("shared-memory", "the host did not say", "df -h /dev/shm")
    if size < _LEAST_SHM_GIB:
        cause = f"{size:.1f} GiB of /dev/shm, tensor parallelism needs more"
        return failed("shared-memory", cause, "mount -o remount,size=16g /dev/shm")
    return ok("shared-memory", f"{size:.0f} GiB")


def open_files(case: Case) -> Finding:
    """Enough files may be open for many connections."""
    limit = case.facts.open_files_limit
    if limit is None:
        return unknown("open-files", "the host did not say", "ulimit -Hn")
    if limit < _LEAST_FILES:
        return failed("open-files", f"at most {limit}", "ulimit -Hn; grep nofile /etc/security/*")
    return ok("open-files", f"up to {limit}")


def ports(case: Case) -> Finding:
    """Nobody else sits on the ports of front, engines and agent."""
    if case.facts.listening is None or case.facts.containers is None:
        return unknown("ports", "the host did not say", "ss -ltnp")
    ours = {_AGENT} if case.facts.agent is not None else set()
    for container in case.facts.containers:
        if container.state == "running":
            number = container.name.rpartition("-")[2]
            ours.add(_ENGINES + int(number) if number.isdigit() else _FRONT)
    taken = sorted({_FRONT, _ENGINES, _AGENT} & set(case.facts.listening) - ours)
    if taken:
        cause = f"port {', '.join(map(str, taken))} is taken by something that is not ours"
        return failed("ports", cause, f"ss -ltnp 'sport = :{taken[0]}'")
    return ok("ports", "free, or ours")


def clock(case: Case) -> Finding:
    """The host's clock agrees with ours: AWS and TLS refuse a clock that is wrong."""
    if case.facts.time_s is None:
        return unknown("clock", "the host did not say", "date -u")
    skew_s = case.facts.time_s - case.now_s
    if abs(skew_s) > _MOST_SKEW_S:
        return failed("clock", f"{skew_s:+.0f} s against this machine", "chronyc tracking")
    return ok("clock", f"within {_MOST_SKEW_S:.0f} s of this machine")


def package_manager(case: Case) -> Finding:
    """No other installation is going on."""
    name, lock = "package-manager", case.facts.package_lock
    if lock:
        cause = f"a process holds {lock}: set-up waits for it, five minutes at most"
        return failed(name, cause, f"fuser -v {lock}")
    return ok(name, "idle")


def containers(case: Case) -> Finding:
    """Our containers run, and stay up."""
    name, seen = "containers", case.facts.containers
    if seen is None:
        return unknown(name, "Docker does not answer", "docker ps -a")
    if not seen:
        return unknown(name, "none yet: nothing was deployed on this host", "fab deploy")
    limit = case.environment.health.crash_limit
    for one in seen:
        logs = f"docker logs --tail 50 {one.name}"
        if one.oom_killed:
            return failed(name, f"{one.name} was killed: out of main memory", logs)
        if one.restarts >= limit:
            return failed(name, f"{one.name} was restarted {one.restarts} times", logs)
        if one.state != "running":
            cause = f"{one.name} is {one.state}, exit code {one.exit_code}"
            return failed(name, cause, logs)
    return ok(name, f"{len(seen)} run")


def agent(case: Case) -> Finding:
    """The agent says that the host serves."""
    said = case.facts.agent
    if said is None:
        if case.facts.release is None:
            return unknown("agent", "does not run: nothing was deployed on this host", "fab deploy")
        cause = "does not answer on port 8081, so the load balancer sends nothing here"
        return failed("agent", cause, "journalctl -u llm-fleet-agent | tail -50")
    state = str(said.get("state"))
    reason = f": {said['reason']}" if said.get("reason") else ""
    if state in _SICK:
        return failed("agent", f"says {state}{reason}", "fab logs")
    return ok("agent", f"says {state}{reason}")


FIRST = (root,)
CHECKS = (
    cache_mount,
    space,
    memory,
    shared_memory,
    open_files,
    ports,
    clock,
    package_manager,
    containers,
    agent,
)
