"""A volume where the cache belongs: formatted only when blank, mounted, back after a reboot."""

from __future__ import annotations

from typing import List

from provision.agent.errors import AgentError
from provision.agent.events import Clock, Events
from provision.agent.paths import Paths
from provision.agent.system import Run, write_atomic

_DEVICE_S = 60.0
_MKFS_S = 600.0
_COMMAND_S = 60.0


class Mount:
    """Puts a volume where the cache belongs. Does nothing when something is mounted there."""

    def __init__(self, paths: Paths, run: Run, clock: Clock, events: Events) -> None:
        self._paths = paths
        self._run = run
        self._clock = clock
        self._events = events

    @property
    def mounted(self) -> bool:
        """Something is mounted on the cache folder."""
        target = "/" + str(self._paths.cache.relative_to(self._paths.root))
        return target in mount_points(self._paths.mountinfo.read_text(encoding="utf-8"))

    def mount(self, volume_id: str) -> None:
        """Find the volume's device, format it when it is blank, and mount it."""
        device = self._device(volume_id)
        if self._blank(device):
            self._must(["mkfs.ext4", "-q", "-m", "0", "-L", "llm-cache", device], _MKFS_S)
            self._events.emit("volume-formatted", volume=volume_id, device=device)
        uuid = self._must(["blkid", "-p", "-s", "UUID", "-o", "value", device], _COMMAND_S).strip()
        self._write_fstab(uuid)
        self._paths.cache.mkdir(parents=True, exist_ok=True)
        self._must(["mount", "-t", "ext4", device, str(self._paths.cache)], _COMMAND_S)
        self._must(["resize2fs", device], _MKFS_S)
        self._events.emit("volume-mounted", volume=volume_id, device=device, uuid=uuid)

    def _device(self, volume_id: str) -> str:
        serial = volume_id.replace("-", "")
        link = self._paths.disks_by_id / f"nvme-Amazon_Elastic_Block_Store_{serial}"
        deadline = self._clock.monotonic() + _DEVICE_S
        while not link.exists():
            if self._clock.monotonic() >= deadline:
                raise AgentError(f"volume {volume_id} is attached, but {link} does not appear")
            self._clock.sleep(1.0)
        return str(link.resolve())

    def _blank(self, device: str) -> bool:
        """Nothing is on the device, by two programs. Raises AgentError for anything but ext4."""
        probe = self._run(["blkid", "-p", "-s", "TYPE", "-o", "value", device], timeout_s=60.0)
        if probe.ok and probe.out.strip() == "ext4":
            return False
        signatures = self._must(["wipefs", "--no-act", "--noheadings", device], _COMMAND_S)
        if probe.code == 2 and not signatures.strip():
            return True
        raise AgentError(
            f"{device} holds something that is not ext4 "
            f"({probe.out.strip() or signatures.strip() or probe.err.strip()}); it stays untouched",
            hint="look at the volume; remove its llm-fleet:cache tag to keep hosts away from it",
        )

    def _write_fstab(self, uuid: str) -> None:
        fstab = self._paths.fstab
        text = fstab.read_text(encoding="utf-8") if fstab.is_file() else ""
        target = "/" + str(self._paths.cache.relative_to(self._paths.root))
        wanted = fstab_with(text, target, uuid)
        if wanted != text:
            write_atomic(fstab, wanted.encode())

    def _must(self, words: List[str], timeout_s: float) -> str:
        done = self._run(words, timeout_s=timeout_s)
        if not done.ok:
            raise AgentError(f"{' '.join(words)}: {done.err.strip() or f'exit {done.code}'}")
        return done.out


def mount_points(mountinfo: str) -> List[str]:
    """Every mount point in the text of ``/proc/self/mountinfo``."""
    return [line.split()[4] for line in mountinfo.splitlines() if len(line.split()) > 4]


def fstab_with(text: str, target: str, uuid: str) -> str:
    """fstab's text with exactly one line for *target*."""
    kept = [
        line
        for line in text.splitlines()
        if line.lstrip().startswith("#") or line.split()[1:2] != [target]
    ]
    line = f"UUID={uuid} {target} ext4 defaults,nofail,x-systemd.device-timeout=30s 0 2"
    return "\n".join([*kept, line]) + "\n"
