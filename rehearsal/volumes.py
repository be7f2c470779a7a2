"""EBS volumes: sparse files behind loop devices, shown inside the host that has them attached."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from rehearsal.processes import MachineError, run

GIB = 2**30


@dataclass(frozen=True, slots=True)
class VolumeStore:
    """Volumes and snapshots as files in one folder."""

    folder: Path

    def device(self, volume: str, *, size_gib: int, snapshot: str = "") -> Path:
        """The block device of *volume*, made on first use (blank, or a copy of *snapshot*)."""
        if device := self.attached(volume):
            return device
        file = self._file(volume)
        if not file.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            source = self._file(snapshot) if snapshot else None
            if source is not None and source.exists():
                self._copy(source, file)
            file.touch()
            with file.open("r+b") as opened:
                opened.truncate(size_gib * GIB)
        try:
            return Path(run("losetup", "--find", "--show", "--nooverlap", file).strip())
        except MachineError as error:
            error.hint = "are loop devices left? see `losetup --list` and /dev/loop*"
            raise

    def attached(self, volume: str) -> Path | None:
        """The device that *volume* has now."""
        return self.devices().get(volume)

    def devices(self) -> dict[str, Path]:
        """Volumes that have a device now, by volume id; empty when the folder holds none."""
        shown = run("losetup", "--list", "--json", "--output", "NAME,BACK-FILE").strip()
        entries = json.loads(shown)["loopdevices"] if shown else []
        return {
            Path(entry["back-file"].removesuffix(" (deleted)")).stem: Path(entry["name"])
            for entry in entries
            if Path(entry["back-file"]).parent == self.folder
        }

    def release(self, volume: str) -> None:
        """Take the device away; what was written stays in the file."""
        if device := self.attached(volume):
            run("losetup", "--detach", device)

    def snapshot(self, volume: str, snapshot: str) -> None:
        """Keep a copy of what *volume* holds now."""
        source, target = self._file(volume), self._file(snapshot)
        if source.exists() and not target.exists():
            self._copy(source, target)

    def delete(self, volume: str) -> None:
        """Forget a volume or snapshot."""
        self.release(volume)
        self._file(volume).unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.img"

    def _copy(self, source: Path, target: Path) -> None:
        partial = target.with_suffix(".partial")
        run("cp", "--sparse=always", "--reflink=auto", source, partial)
        partial.rename(target)


def by_id(volume: str) -> str:
    """The name that udev gives an EBS volume on a Nitro instance."""
    return f"nvme-Amazon_Elastic_Block_Store_{volume.replace('-', '')}"
