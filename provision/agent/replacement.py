"""A host that is beyond repair says so to its group, and no two of a fleet do within an hour."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Optional, Sequence, Tuple

from provision.agent.beyond_repair import Case, Look, Memory, follow, remember, verdict
from provision.agent.cloud import Cloud
from provision.agent.errors import AgentError
from provision.agent.gpu import listed
from provision.agent.host import Host
from provision.agent.settings import AgentSettings
from provision.agent.supervise import Phase
from provision.agent.system import NOT_FOUND, read_json, write_json

POLL_S = 30.0
HOUR_S = 3600.0
_ASK_S = 60.0


class Claim:
    """The right to be replaced, one an hour in a fleet: a parameter that can only be created.

    An hour that begins now may touch the one before: its parameter is looked at as well, once
    before ours is made and once after, so that of two hosts that meet at the full hour neither
    overlooks the other. A claim that comes to nothing keeps its hour all the same.
    """

    def __init__(self, cloud: Cloud, root: str, host: str) -> None:
        self._cloud, self._root, self._host = cloud, root, host

    def take(self, now: float) -> str:
        """Empty when it is ours; else who has it."""
        hour = int(now // HOUR_S)
        other = self._near(hour, now)
        if other:
            return other
        said = json.dumps({"host": self._host, "at": now})
        if not self._cloud.create_parameter(self._name(hour), said):
            holder = self._read(hour)
            if holder is None or holder[0] != self._host:
                return holder[0] if holder else "somebody"
        return self._near(hour, now)

    def _near(self, hour: int, now: float) -> str:
        """Another host that has claimed the hour before or after, less than an hour from now."""
        for neighbour in (hour - 1, hour + 1):
            found = self._read(neighbour)
            if found and found[0] != self._host and abs(found[1] - now) < HOUR_S:
                return found[0]
        return ""

    def _read(self, hour: int) -> Optional[Tuple[str, float]]:
        text = self._cloud.parameter(self._name(hour))
        if text is None:
            return None
        try:
            said = json.loads(text)
            return str(said["host"]), float(said["at"])
        except (ValueError, KeyError, TypeError):
            # Somebody's whom we can't read: the whole hour is taken.
            return "somebody", hour * HOUR_S + HOUR_S / 2

    def _name(self, hour: int) -> str:
        return f"{self._root}/hosts/replaced/{hour}"


class Replacement:
    """Watches whether this host is beyond repair. Only one thread may call :meth:`turn`."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._memory: Optional[Memory] = None
        self._case = Case()
        self._called_at: Optional[float] = None
        self._said = ""
        self.reason = ""

    def turn(
        self, release: str, settings: AgentSettings, phases: Sequence[Phase], *, away: bool
    ) -> None:
        """One look; when it is the last straw, the group hears of it."""
        memory, now = self._remembered(), self._host.clock.now()
        look = self._look(release, settings, tuple(phases), memory, away=away)
        known = remember(memory, look)
        if known != memory:
            self._keep(known)
        self._case = follow(self._case, known, look, now)
        if settings.replace_after_s is None:
            return
        self.reason = verdict(self._case, known, look, settings.replace_after_s, now)
        if self.reason and (self._called_at is None or now - self._called_at >= HOUR_S):
            self._call(known.instance, now)

    def _call(self, instance: str, now: float) -> None:
        """Tell the group, if no other host of the fleet has just done so."""
        settings, cloud = self._host.settings, self._host.cloud
        holder = Claim(cloud, settings.parameter_root, instance).take(now)
        if holder:
            self._say("waiting", f"{self.reason}; {holder} was replaced within the hour")
            return
        cloud.call_unhealthy(instance)
        self._called_at = now
        self._host.events.emit("beyond-repair", reason=self.reason)

    def _look(
        self,
        release: str,
        settings: AgentSettings,
        phases: Tuple[Phase, ...],
        memory: Memory,
        *,
        away: bool,
    ) -> Look:
        look = Look(release, phases, None, settings.gpus, away)
        known_well = look.serves and memory.gpus >= settings.gpus
        if away or known_well or not settings.gpus:
            return look
        return Look(release, phases, self._gpus(), settings.gpus, away)

    def _gpus(self) -> Optional[int]:
        """How many GPUs the driver shows; none when it can't, None on a host without it."""
        done = self._host.run(["nvidia-smi", "-L"], timeout_s=_ASK_S)
        return None if done.code == NOT_FOUND else len(listed(done.out))

    def _remembered(self) -> Memory:
        """From the disk, if it was written by this very instance: images are made of disks."""
        if self._memory is None:
            instance = self._host.metadata.identity().instance_id
            self._memory = Memory(instance)
            try:
                said = read_json(self._host.paths.proven)
                if said["instance"] == instance:
                    self._memory = Memory(instance, int(said["gpus"]), tuple(said["ready"]))
            except (AgentError, OSError, KeyError, TypeError, ValueError):
                pass  # nothing is known yet, or nothing that can be read
        return self._memory

    def _keep(self, memory: Memory) -> None:
        write_json(self._host.paths.proven, asdict(memory))
        self._memory = memory

    def _say(self, event: str, reason: str) -> None:
        holder = reason.rpartition("; ")[2]
        if holder != self._said:
            self._said = holder
            self._host.events.emit(event, reason=reason)
