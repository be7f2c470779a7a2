"""The machine room as one thing: stand it up, break parts of it, take it away without a trace."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rehearsal import aptrepo, images, leftovers
from rehearsal.cloud import READY
from rehearsal.host import HostProcess, Machine
from rehearsal.notices import Notices
from rehearsal.processes import MachineError, Process, run, spawn
from rehearsal.settings import Settings

STATE = Path.home() / ".cache" / "llm-fleet" / "rehearsal"
CLOUD_TIMEOUT_S = 60.0


def quiet(line: str) -> None:
    """Says nothing."""


@dataclass(frozen=True, slots=True)
class World:
    """One machine room, kept in *state*, on a network bridge of its own. One stands at a time."""

    state: Path = STATE
    bridge: str = "lf0"

    def start(
        self,
        *,
        engine_python: Path,
        hub: Path,
        region: str = "us-east-1",
        cidr: str = "10.97.0.0/16",
        gpu: str = "A10G",
        gpus: int = 1,
        gated: tuple[str, ...] = (),
        outage: bool = False,
        say: Callable[[str], None] = quiet,
    ) -> Settings:
        """Stand everything up except hosts, which come when EC2 launches instances.

        *engine_python* is the interpreter that has vLLM, *hub* a folder with models as
        ``ORG/NAME/files``; with *outage* there is a way out beside the hosts. Leftovers of an
        earlier room in *state* are swept first. Raises MachineError; what was half up is taken away
        again, also on Ctrl-C.
        """
        settings = Settings(
            state=self.state,
            hub=hub,
            region=region,
            cidr=cidr,
            bridge=self.bridge,
            gated=gated,
            binds=images.engine_folders(engine_python),
            gpu=gpu,
            gpus=gpus,
            outage=outage,
        )
        self.stop()
        if owner := settings.network.owner():
            raise MachineError(
                f"another rehearsal stands on this machine, kept in {owner}",
                hint="take it away first: `fab rehearse --down`",
            )
        try:
            self._stand_up(settings, engine_python, say)
        except BaseException:
            leftovers.sweep(self.state, settings.network)
            raise
        return settings

    def stop(self) -> None:
        """Take all of it away: hosts, cloud, network, files. The SSH key stays."""
        leftovers.sweep(self.state, self._network_settings().network)

    def is_standing(self) -> bool:
        """Whether a room stands here whose cloud process lives."""
        process = Process.load(self.state / "cloud.json")
        return process is not None and process.alive() and (self.state / READY).exists()

    def settings(self) -> Settings:
        """What the standing room was made with. Raises MachineError when none stands."""
        if not self.is_standing():
            raise MachineError("no rehearsal stands here", hint="run `fab rehearse --keep`")
        return Settings.load(self.state / "room.json")

    def left_behind(self) -> list[str]:
        """What is there of a room on this machine now, a line each: empty after :meth:`stop`."""
        return leftovers.find(self.state, self._network_settings().network)

    def hosts(self) -> tuple[str, ...]:
        """Instance ids that have a host now."""
        folder = self.state / "instances"
        return tuple(sorted(file.stem for file in folder.glob("*.json")))

    def host(self, instance_id: str) -> HostProcess:
        """The host of an instance, for faults and for looking inside."""
        settings = self.settings()
        machine = Machine(settings.state, settings.network, settings.binds)
        return HostProcess(machine, instance_id[-10:])

    def cut(self, instance_id: str) -> None:
        """Drop everything that reaches a host, without a word to the sender."""
        host = self.host(instance_id)
        host.machine.network.cut(host.key)

    def heal(self, instance_id: str) -> None:
        """Undo :meth:`cut`."""
        host = self.host(instance_id)
        host.machine.network.heal(host.key)

    def kill_host(self, instance_id: str) -> None:
        """Cut a host's power; EC2 does not notice. :meth:`reboot_host` brings it back."""
        host = self.host(instance_id)
        (host.folder / "dead").touch()
        host.kill()

    def reboot_host(self, instance_id: str) -> None:
        """Power off and on: same disk, same address, its enabled units start again."""
        host = self.host(instance_id)
        (host.folder / "dead").touch()  # or the follower of EC2 would start it as well
        host.reboot()
        (host.folder / "dead").unlink(missing_ok=True)

    def spot_notice(self, instance_id: str, *, seconds: float = 120.0) -> None:
        """EC2 wants a host back: told through its metadata now, taken when the time is over."""
        self._notices().spot(instance_id, datetime.now(UTC) + timedelta(seconds=seconds))

    def rebalance_notice(self, instance_id: str) -> None:
        """EC2 recommends to replace a host; nothing follows from it."""
        self._notices().rebalance(instance_id, datetime.now(UTC))

    def gpu_mode(self, instance_id: str, mode: str) -> None:
        """Let the host's nvidia-smi fail in one of its documented ways (``ok`` ends it)."""
        done = self.host(instance_id).run(
            "sed", "-i", f"s/^MODE=.*/MODE={mode}/", "/etc/rehearsal/gpu"
        )
        if done.returncode:
            raise MachineError(f"{instance_id}: {done.stderr}")

    def _notices(self) -> Notices:
        return Notices(self.settings().notices)

    def _network_settings(self) -> Settings:
        file = self.state / "room.json"
        if file.exists():
            return Settings.load(file)
        return Settings(state=self.state, hub=self.state, bridge=self.bridge)

    def _stand_up(
        self, settings: Settings, engine_python: Path, say: Callable[[str], None]
    ) -> None:
        self.state.mkdir(parents=True, exist_ok=True)
        _refuse_overlay(self.state)
        settings.save()
        if not settings.ssh_key.exists():
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", settings.ssh_key)
        say("making a package repository")
        aptrepo.make(self.state / "packages")
        settings.network.create(self.state)
        say("starting the cloud: API, load balancer, metadata, registry, hub")
        self._start_cloud()
        images.push_all(settings.network.registry, engine_python, say)
        if settings.outage:
            say("making the image that the gateway's is built on")
            images.push_gateway_base(settings.network.registry)

    def _start_cloud(self) -> None:
        log = self.state / "cloud.log"
        room = self.state / "room.json"
        process = spawn(sys.executable, "-m", "rehearsal.cloud", room, log=log)
        process.save(self.state / "cloud.json")
        deadline = time.monotonic() + CLOUD_TIMEOUT_S
        while not (self.state / READY).exists():
            if not process.alive() or time.monotonic() > deadline:
                raise MachineError(f"the cloud did not come up:\n{log.read_text()[-1500:]}")
            time.sleep(0.05)


def _refuse_overlay(state: Path) -> None:
    kind = run("stat", "--file-system", "--format", "%T", state).strip()
    if kind == "overlayfs":
        raise MachineError(
            f"{state} lies on an overlay, and a host's root can't stand on one",
            hint="mount a volume there (`docker run -v`), or rehearse on a virtual machine",
        )
