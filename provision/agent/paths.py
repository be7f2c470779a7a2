"""Where everything lives on a host."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import List

BOOT_UNIT = "llm-fleet-boot.service"
AGENT_UNIT = "llm-fleet-agent.service"


@dataclass(frozen=True)
class Paths:
    """The host's places, below *root* (another folder than ``/`` in tests)."""

    root: Path = Path("/")

    @property
    def host_json(self) -> Path:
        """What user data wrote: environment, bucket, region, cache."""
        return self.root / "etc/llm-fleet/host.json"

    @property
    def hop_env(self) -> Path:
        """The hop secret as the engine's environment file."""
        return self.root / "etc/llm-fleet/hop.env"

    @property
    def hop_conf(self) -> Path:
        """The hop secret as nginx's header line."""
        return self.root / "etc/llm-fleet/hop.conf"

    @property
    def fstab(self) -> Path:
        """Mounts that come back after a reboot."""
        return self.root / "etc/fstab"

    @property
    def units(self) -> Path:
        """Where systemd looks for the units of this host."""
        return self.root / "etc/systemd/system"

    @property
    def mountinfo(self) -> Path:
        """What is mounted now."""
        return self.root / "proc/self/mountinfo"

    @property
    def ssh_host_keys(self) -> Path:
        """The folder of sshd's host keys."""
        return self.root / "etc/ssh"

    @property
    def disks_by_id(self) -> Path:
        """The links that udev makes from a volume's serial number to its device."""
        return self.root / "dev/disk/by-id"

    @property
    def opt(self) -> Path:
        """The host program and the releases."""
        return self.root / "opt/llm-fleet"

    @property
    def program(self) -> Path:
        """The host program."""
        return self.opt / "host.pyz"

    @property
    def set_up(self) -> Path:
        """The script that installs what the image lacks."""
        return self.opt / "set-up.sh"

    @property
    def releases(self) -> Path:
        """A folder per release."""
        return self.opt / "releases"

    def build(self, name: str) -> Path:
        """What an image is built of, while it is built."""
        return self.opt / "builds" / name

    @property
    def current(self) -> Path:
        """The link to the release that runs."""
        return self.opt / "current"

    @property
    def journal(self) -> Path:
        """There only while a release is being swapped: from, to."""
        return self.opt / "applying.json"

    def journal_of(self, replica: int) -> Path:
        """There only while one engine is swapped: from, to."""
        return self.opt / f"applying-{replica}.json"

    def journals_of_engines(self) -> List[Path]:
        """Those that are there."""
        return sorted(self.opt.glob("applying-*.json"))

    @property
    def cache(self) -> Path:
        """The cache volume: weights and the engine's compile caches."""
        return self.root / "var/lib/llm-fleet/cache"

    @property
    def logs(self) -> Path:
        """Last log lines of engines that were removed."""
        return self.root / "var/lib/llm-fleet/logs"

    @property
    def last_good(self) -> Path:
        """How fast the last release that proved itself here was."""
        return self.root / "var/lib/llm-fleet/last-good.json"

    @property
    def before(self) -> Path:
        """How fast this host answered its clients before it was taken away."""
        return self.root / "var/lib/llm-fleet/before.json"

    @property
    def proven(self) -> Path:
        """What this instance could do once: its GPUs, the releases that were ready here."""
        return self.root / "var/lib/llm-fleet/proven.json"

    @property
    def run(self) -> Path:
        """What does not outlive a reboot."""
        return self.root / "run/llm-fleet"

    @property
    def lock(self) -> Path:
        """Held while a release is applied."""
        return self.run / "apply.lock"

    @property
    def booted(self) -> Path:
        """There once a release was brought up, or found up, since the machine started."""
        return self.run / "booted"

    @property
    def keys(self) -> Path:
        """Hashes of the client keys, the last good copy."""
        return self.run / "keys.json"

    @property
    def socket(self) -> Path:
        """Where the front asks whether a client key is good."""
        return self.run / "agent.sock"

    @property
    def answers(self) -> Path:
        """Where the front says what it answered, a datagram each."""
        return self.run / "answers.sock"

    @property
    def counting(self) -> Path:
        """An empty file while somebody listens there; the front looks for it."""
        return self.run / "counting"

    @property
    def maintenance(self) -> Path:
        """There while the host is away on purpose: since, until, why."""
        return self.run / "maintenance.json"

    def maintenance_of(self, replica: int) -> Path:
        """There while one engine is away on purpose: since, until, why."""
        return self.run / f"maintenance-{replica}.json"

    @property
    def out(self) -> Path:
        """A file for each engine that gets nothing new; the front looks there."""
        return self.run / "out"

    @property
    def farewell(self) -> Path:
        """There once AWS takes this host away: why, until when, and how far it is."""
        return self.run / "farewell.json"

    @property
    def waterfall(self) -> Path:
        """How long the parts of the last apply took."""
        return self.run / "waterfall.json"

    @property
    def events(self) -> Path:
        """Every event of this boot."""
        return self.run / "events.jsonl"

    def release(self, release_id: str) -> Path:
        """The folder of one release."""
        return self.releases / release_id

    def current_release(self) -> str | None:
        """The id that ``current`` points to, None when there is none."""
        return self.current.resolve().name if self.current.is_symlink() else None
