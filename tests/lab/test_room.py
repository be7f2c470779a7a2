"""The machine room is real where a rehearsal relies on it: hosts, disks, network, registry."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rehearsal import engine
from rehearsal.processes import Process
from rehearsal.world import STATE, World
from tests.lab.room import BRIDGE, REPOSITORY, Room, eventually

pytestmark = pytest.mark.lab
FRONT = "hub.rehearsal/nginx:1.28.0"
ENGINE = "hub.rehearsal/vllm/vllm-openai:v0.32.0"


class TestHosts:
    def test_every_host_is_itself(self, room: Room) -> None:
        """Own name, own host key, own process 1, nothing of the operator's."""
        seen = [
            room.out(host, "hostname; cat /etc/ssh/ssh_host_ed25519_key.pub; cat /proc/1/comm")
            for host in room.hosts
        ]

        assert len({line for text in seen for line in text.splitlines()[:2]}) == 4
        assert room.out(room.hosts[0], "ls -A ~/.aws ~/.docker 2>/dev/null; true") == ""
        assert room.out(room.hosts[0], f"ls -A {room.world.state}") == ""

    def test_a_container_belongs_to_its_host(self, room: Room) -> None:
        """`docker exec` lands in the container, and Docker knows only this host's containers."""
        first, second = room.hosts
        room.out(first, f"docker run -d --name inner {FRONT}")

        inside = room.out(first, "docker exec inner cat /etc/hostname")

        assert inside == room.out(first, "docker inspect -f '{{.Config.Hostname}}' inner")
        assert room.out(second, "docker ps -aq") == ""
        room.out(first, "docker rm -f inner")

    def test_a_container_cannot_reach_the_metadata(self, room: Room) -> None:
        """The host has the role's keys; one hop further nobody answers."""
        url = "http://169.254.169.254/latest/api/token"
        ask = f"curl -sS -m 2 -X PUT -o /dev/null {url}"
        mounts = "-v /usr/bin:/usr/bin:ro -v /usr/lib:/usr/lib:ro"

        assert room.ssh(room.hosts[0], ask).returncode == 0
        assert room.ssh(room.hosts[0], f"docker run --rm {mounts} {FRONT} {ask}").returncode == 28

    def test_restarting_docker_restarts_docker(self, room: Room) -> None:
        """Another process, and it answers when the command returns."""
        before = room.out(room.hosts[0], "systemctl show -p MainPID --value docker")

        room.out(room.hosts[0], "systemctl restart docker && docker ps -q")

        assert room.out(room.hosts[0], "systemctl show -p MainPID --value docker") != before

    def test_systemctl_refuses_what_it_does_not_know(self, room: Room) -> None:
        """So that a rehearsal never passes on something that did nothing."""
        assert room.ssh(room.hosts[0], "systemctl isolate rescue.target").returncode == 64
        assert room.ssh(room.hosts[0], "systemctl start nothing").returncode == 5

    def test_a_service_that_dies_comes_back(self, room: Room) -> None:
        """Restart=always, and the count that systemd would show."""
        host = room.hosts[0]
        pid = room.out(host, "systemctl show -p MainPID --value web")

        room.out(host, f"kill -9 {pid}")

        eventually(lambda: room.out(host, "systemctl show -p NRestarts --value web") == "1")
        assert room.out(host, "systemctl is-active web") == "active"

    def test_user_data_runs_once_and_units_at_every_boot(self, room: Room) -> None:
        """A reboot keeps disk, key and address, and starts what is enabled."""
        host = room.hosts[1]
        before = room.out(host, "cat /etc/ssh/*.pub; wc -l </var/lib/booted")

        room.world.reboot_host(host)

        eventually(lambda: room.ssh(host, "systemctl is-active web").returncode == 0)
        assert room.out(host, "cat /etc/ssh/*.pub; wc -l </var/lib/booted") == before
        room.wait_healthy()


class TestFaults:
    def test_a_cut_host_is_out_of_traffic_and_comes_back(self, room: Room) -> None:
        """Health checks see it, SSH times out, and the other host answers all."""
        first, second = room.hosts
        room.world.cut(first)
        assert room.ssh(first, "true").returncode == 255
        eventually(lambda: room.health()[first] == "unhealthy")

        name = room.out(second, "hostname")
        assert {room.get() for _ in range(4)} == {(200, name)}

        room.world.heal(first)
        room.wait_healthy()

    def test_a_killed_host_stays_down_until_it_is_started(self, room: Room) -> None:
        """EC2 says that it runs: nobody starts it again behind our back."""
        host = room.hosts[1]
        room.world.kill_host(host)
        time.sleep(1.5)

        assert room.ssh(host, "true").returncode == 255

        room.world.reboot_host(host)
        room.wait_healthy()


class TestDisks:
    def test_a_volume_moves_from_host_to_host(self, room: Room) -> None:
        """Shown by its id where it is attached, with what was written on the other host."""
        ec2, (first, second) = room.aws("ec2"), room.hosts
        volume = ec2.create_volume(AvailabilityZone="us-east-1a", Size=5)["VolumeId"]
        name = f"/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{volume.replace('-', '')}"
        ec2.attach_volume(VolumeId=volume, InstanceId=first, Device="/dev/sdf")
        eventually(lambda: room.ssh(first, f"test -b {name}").returncode == 0)
        room.out(first, f"mkfs.ext4 -q {name} && mkdir -p /mnt/x && mount {name} /mnt/x")
        room.out(first, "echo kept >/mnt/x/file && umount /mnt/x")

        ec2.detach_volume(VolumeId=volume, InstanceId=first, Device="/dev/sdf")
        ec2.attach_volume(VolumeId=volume, InstanceId=second, Device="/dev/sdf")

        eventually(lambda: room.ssh(second, f"test -b {name}").returncode == 0)
        assert room.ssh(first, f"test -e {name}").returncode == 1
        uuid = room.out(second, f"blkid -s UUID -o value $(readlink -f {name})")
        room.out(second, f"mkdir -p /mnt/x && mount UUID={uuid} /mnt/x")
        assert room.out(second, "cat /mnt/x/file && umount /mnt/x") == "kept"
        ec2.detach_volume(VolumeId=volume, InstanceId=second, Device="/dev/sdf")

    def test_a_volume_from_a_snapshot_holds_what_was_there(self, room: Room) -> None:
        """The copy is made when the snapshot is."""
        ec2, host = room.aws("ec2"), room.hosts[0]
        first = ec2.create_volume(AvailabilityZone="us-east-1a", Size=1)["VolumeId"]
        ec2.attach_volume(VolumeId=first, InstanceId=host, Device="/dev/sdg")
        name = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{}"
        old = name.format(first.replace("-", ""))
        eventually(lambda: room.ssh(host, f"test -b {old}").returncode == 0)
        room.out(host, f"mkfs.ext4 -q -L kept {old} && sync")

        snapshot = ec2.create_snapshot(VolumeId=first)["SnapshotId"]
        second = ec2.create_volume(AvailabilityZone="us-east-1a", Size=1, SnapshotId=snapshot)[
            "VolumeId"
        ]
        ec2.attach_volume(VolumeId=second, InstanceId=host, Device="/dev/sdh")

        new = name.format(second.replace("-", ""))
        eventually(lambda: room.ssh(host, f"test -b {new}").returncode == 0)
        assert room.out(host, f"blkid -s LABEL -o value $(readlink -f {new})") == "kept"


class TestImages:
    def test_what_is_pushed_appears_in_ecr(self, room: Room) -> None:
        """By its tag, with the digest that Docker knows."""
        host, name = room.hosts[0], f"{room.settings.registry_name}/{REPOSITORY}:front-1"
        room.out(host, f"docker pull -q {FRONT} && docker tag {FRONT} {name}")
        room.out(host, f"docker push -q {name}")
        ecr = room.aws("ecr")

        eventually(lambda: ecr.describe_images(repositoryName=REPOSITORY)["imageDetails"])

        (image,) = ecr.describe_images(repositoryName=REPOSITORY)["imageDetails"]
        digests = json.loads(
            room.out(host, f"docker inspect -f '{{{{json .RepoDigests}}}}' {name}")
        )
        assert image["imageTags"] == ["front-1"]
        assert f"{name.removesuffix(':front-1')}@{image['imageDigest']}" in digests

    def test_gpus_in_containers_are_docker_s_own_doing(self, room: Room) -> None:
        """Without the toolkit Docker refuses; with it the container sees what the host sees."""
        host = room.hosts[0]
        ask = f"docker run --rm --gpus all --entrypoint nvidia-smi {ENGINE} -L"
        assert "could not select device driver" in room.ssh(host, ask).stderr
        url = f"http://{room.settings.network.machine}:5081"
        room.out(
            host,
            f"curl -fsS {url}/key.gpg >/etc/apt/lab.asc &&"
            f" echo 'deb [signed-by=/etc/apt/lab.asc] {url} /' >/etc/apt/sources.list.d/lab.list &&"
            " apt-get update -qq && apt-get install -y -qq nvidia-container-toolkit &&"
            " nvidia-ctk runtime configure --runtime=docker && systemctl restart docker",
        )

        assert room.out(host, ask) == room.out(host, "nvidia-smi -L")

        room.world.gpu_mode(host, "container-blind")
        assert room.ssh(host, "nvidia-smi -L").returncode == 0
        assert "Failed to initialize NVML" in room.ssh(host, ask).stdout
        room.world.gpu_mode(host, "no-driver")
        assert "couldn't communicate" in room.ssh(host, ask).stderr
        room.world.gpu_mode(host, "ok")


class TestFleet:
    def test_a_terminated_host_is_replaced(self, room: Room) -> None:
        """Gone with its disk; the group launches another, which boots and takes traffic."""
        gone, stays = room.hosts
        room.aws("autoscaling").terminate_instance_in_auto_scaling_group(
            InstanceId=gone, ShouldDecrementDesiredCapacity=False
        )
        eventually(lambda: gone not in room.world.hosts() and len(room.world.hosts()) == 2)

        room.hosts = room.world.hosts()

        assert stays in room.hosts
        eventually(lambda: {room.health()[host] for host in room.hosts} == {"healthy"})


class TestEnd:
    """Last in this file: each of these stands up a room of its own, in the same place."""

    def test_a_killed_cloud_is_swept(self, room: Room) -> None:
        """After kill -9 of everything that could clean up, `stop` leaves nothing."""
        process = Process.load(room.world.state / "cloud.json")
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)
        assert room.world.left_behind() != []

        room.world.stop()

        assert room.world.left_behind() == []

    def test_ctrl_c_while_it_stands_up(self, tmp_path: Path) -> None:
        """An interrupted start takes away what it had made."""
        code = (
            "import sys; from pathlib import Path; from rehearsal.world import World\n"
            "World(Path(sys.argv[1]), sys.argv[4]).start(engine_python=Path(sys.argv[2]),"
            " hub=Path(sys.argv[3]), say=lambda line: print(line, flush=True))"
        )
        world = World(STATE.with_name("lab"), bridge=BRIDGE)
        words = [sys.executable, "-c", code, str(world.state), str(engine.python())]
        words += [str(tmp_path), BRIDGE]
        starting = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert starting.stdout is not None
        while "starting the cloud" not in starting.stdout.readline():
            assert starting.poll() is None
        time.sleep(0.3)
        starting.send_signal(signal.SIGINT)
        starting.communicate(timeout=60)

        assert starting.returncode != 0
        assert world.left_behind() == []
