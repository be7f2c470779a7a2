"""A volume where the cache belongs: formatted only when it is blank."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.agent.errors import AgentError
from provision.agent.events import Events
from provision.agent.mount import Mount, fstab_with, mount_points
from provision.agent.paths import Paths
from provision.agent.system import Completed
from tests.agent.fakes import FakeClock, FakeMachine

VOLUME = "vol-0abc"
UUID = "3e6be9de-8139-11d1-9106-a43f08d823a6"
MOUNTINFO = "26 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw\n"


class Disks:
    """blkid, wipefs, mkfs and mount over one device."""

    def __init__(self, root: Path) -> None:
        self.paths = Paths(root)
        self.machine = FakeMachine()
        self.type: str = ""
        self.signatures = ""
        for program in ("mkfs.ext4", "mount", "resize2fs"):
            self.machine.other[program] = self._change
        self.machine.other["blkid"] = self._blkid
        self.machine.other["wipefs"] = lambda _words: Completed(0, out=self.signatures)
        self.clock = FakeClock()
        self.paths.mountinfo.parent.mkdir(parents=True)
        self.paths.mountinfo.write_text(MOUNTINFO)
        self.device = root / "dev/nvme1n1"
        self.paths.disks_by_id.mkdir(parents=True)
        self.device.write_text("")
        self.link = self.paths.disks_by_id / "nvme-Amazon_Elastic_Block_Store_vol0abc"
        self.link.symlink_to(self.device)

    def mount(self) -> Mount:
        events = Events(self.clock, stream=None, file=None)
        return Mount(self.paths, self.machine.run, self.clock, events)

    @property
    def changes(self) -> list[str]:
        """Commands that change something, without the device's long name."""
        asking = ("blkid", "wipefs")
        calls = [call for call in self.machine.calls if not call.startswith(asking)]
        return [call.replace(str(self.paths.root), "") for call in calls]

    def _change(self, words: list[str]) -> Completed:
        if words[0] == "mkfs.ext4":
            self.type = "ext4"
        return Completed(0)

    def _blkid(self, words: list[str]) -> Completed:
        if not self.type:
            return Completed(2)
        return Completed(0, out=f"{UUID if 'UUID' in words else self.type}\n")


@pytest.fixture
def disks(tmp_path: Path) -> Disks:
    return Disks(tmp_path)


def test_a_blank_volume_is_formatted_and_mounted(disks: Disks) -> None:
    """And comes back after a reboot, by UUID, without holding the boot up when it does not."""
    disks.mount().mount(VOLUME)
    assert disks.changes == [
        "mkfs.ext4 -q -m 0 -L llm-cache /dev/nvme1n1",
        "mount -t ext4 /dev/nvme1n1 /var/lib/llm-fleet/cache",
        "resize2fs /dev/nvme1n1",
    ]
    assert disks.paths.fstab.read_text() == (
        f"UUID={UUID} /var/lib/llm-fleet/cache ext4 "
        "defaults,nofail,x-systemd.device-timeout=30s 0 2\n"
    )


def test_a_volume_with_data_keeps_it(disks: Disks) -> None:
    """ext4 is mounted as it is."""
    disks.type = "ext4"
    disks.mount().mount(VOLUME)
    assert [change.split()[0] for change in disks.changes] == ["mount", "resize2fs"]


@pytest.mark.parametrize(
    ("type_", "signatures"), [("xfs", "xfs"), ("", "0x1fe dos"), ("LVM2_member", "LVM2_member")]
)
def test_anything_else_stays_untouched(disks: Disks, type_: str, signatures: str) -> None:
    """Another file system, or a partition table that only one of two programs sees."""
    disks.type, disks.signatures = type_, signatures
    with pytest.raises(AgentError, match="it stays untouched"):
        disks.mount().mount(VOLUME)
    assert disks.changes == []


def test_waits_for_the_device(disks: Disks) -> None:
    """udev makes the link a moment after the attach."""
    disks.link.unlink()

    def appear() -> None:
        disks.link.symlink_to(disks.device)
        disks.clock.on_sleep = lambda: None

    disks.clock.on_sleep = appear
    disks.mount().mount(VOLUME)
    assert disks.changes[-1] == "resize2fs /dev/nvme1n1"


def test_a_device_that_never_comes(disks: Disks) -> None:
    """The link that was waited for is named."""
    disks.link.unlink()
    with pytest.raises(AgentError, match="nvme-Amazon_Elastic_Block_Store_vol0abc does not appear"):
        disks.mount().mount(VOLUME)


def test_sees_what_is_mounted(disks: Disks) -> None:
    """From the kernel's own list."""
    assert not disks.mount().mounted
    disks.paths.mountinfo.write_text(
        MOUNTINFO + "90 26 259:1 / /var/lib/llm-fleet/cache rw - ext4 /dev/nvme1n1 rw\n"
    )
    assert disks.mount().mounted
    assert mount_points(MOUNTINFO) == ["/"]


def test_fstab_gets_exactly_one_line() -> None:
    """The line of an older volume goes, all others stay."""
    before = "# mine\nUUID=1 / ext4 defaults 0 1\nUUID=2 /cache ext4 nofail 0 2\n"
    after = (
        "# mine\nUUID=1 / ext4 defaults 0 1\n"
        "UUID=3 /cache ext4 defaults,nofail,x-systemd.device-timeout=30s 0 2\n"
    )
    assert fstab_with(before, "/cache", "3") == after
    assert fstab_with(after, "/cache", "3") == after
