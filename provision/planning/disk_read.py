"""Reading a model's files from an EBS volume: volume and instance, the slower one counts."""

from __future__ import annotations

import math
from dataclasses import dataclass

from provision.catalog.instances import InstanceType

_MB_PER_MIB = 2**20 / 1e6
_MIBPS_PER_IOPS = 0.25  # gp3
_GP3_MAX_MIBPS = 2000
_MB_PER_GBIT = 125
_NVME_PAYS_BELOW_MBPS = 500

# One published measurement: Llama-3-8B (16.1 GB) from gp3 in 48.0 s with the default loader, in
# 14.3 s with the Run:ai streamer.
_LOADER_MBPS = 335


@dataclass(frozen=True, slots=True)
class DiskRead:
    """*megabytes* (10^6) read by *readers* loader processes.

    ``throughput_mibps`` and ``iops`` are what was bought for the volume.
    """

    instance: InstanceType
    megabytes: float
    readers: int
    throughput_mibps: int
    iops: int

    @property
    def volume_mbps(self) -> float:
        """What the volume gives: its throughput, unless its IOPS carry less."""
        return min(self.throughput_mibps, self.iops * _MIBPS_PER_IOPS) * _MB_PER_MIB

    @property
    def burst_s(self) -> float:
        """Seconds while the instance bursts."""
        return self.megabytes / min(self.volume_mbps, self.instance.ebs_burst_mbps)

    @property
    def base_s(self) -> float:
        """Seconds at the instance's base, with the engine's default loader: the worst case."""
        loaders = self.readers * _LOADER_MBPS
        return self.megabytes / min(self.volume_mbps, self.instance.ebs_base_mbps, loaders)

    @property
    def useful_mibps(self) -> int:
        """The most throughput that is worth buying for this instance type."""
        instance_mibps = math.floor(self.instance.ebs_burst_mbps / _MB_PER_MIB)
        return min(_GP3_MAX_MIBPS, instance_mibps)

    def binding_limit(self) -> str:
        """Which of volume and instance is the slower, with both figures."""
        name, base, burst = (
            self.instance.name,
            self.instance.ebs_base_mbps,
            self.instance.ebs_burst_mbps,
        )
        if self.volume_mbps >= burst and self.instance.ebs_bursts:
            return (
                f"instance: {name} reads {burst:g} MB/s from EBS in burst (half an hour a day) "
                f"and {base:g} MB/s at its base, whatever the volume offers"
            )
        if self.volume_mbps >= burst:
            return f"instance: {name} reads {burst:g} MB/s from EBS, whatever the volume offers"
        if self.volume_mbps >= base:
            return (
                f"volume: {self._volume()} while {name} bursts to {burst:g} MB/s (half an hour a "
                f"day); after that the instance, with a base of {base:g} MB/s"
            )
        return f"volume: {self._volume()}, {name} could read {base:g} MB/s from EBS"

    def advice(self) -> tuple[str, ...]:
        """What would change the time, and what is paid for nothing."""
        found = [self._throughput(), self._nvme(), self._loader()]
        return tuple(line for line in found if line)

    def _volume(self) -> str:
        carried = self.iops * _MIBPS_PER_IOPS
        if carried < self.throughput_mibps:
            return (
                f"{self.iops} IOPS carry {carried:g} of the {self.throughput_mibps} MiB/s bought "
                f"({self.volume_mbps:.0f} MB/s)"
            )
        return f"{self.throughput_mibps} MiB/s ({self.volume_mbps:.0f} MB/s)"

    def _throughput(self) -> str:
        useful = self.useful_mibps
        if self.throughput_mibps > useful:
            return (
                f"throughput is paid for nothing above {useful} MiB/s: "
                f"{self.instance.name} can't read faster (model_cache.throughput_mibps)"
            )
        better_s = self.megabytes / (useful * _MB_PER_MIB)
        if self.burst_s < 1.2 * better_s:
            return ""
        iops = math.ceil(useful / _MIBPS_PER_IOPS)
        needs = f" and model_cache.iops {iops}" if iops > self.iops else ""
        return (
            f"model_cache.throughput_mibps {useful}{needs} would shorten the read from "
            f"{self.burst_s:.0f} to {better_s:.0f} s{self._when()}; more is of no use"
        )

    def _when(self) -> str:
        return " while the instance bursts" if self.instance.ebs_bursts else ""

    def _nvme(self) -> str:
        instance = self.instance
        if instance.nvme_gb is None or instance.ebs_base_mbps >= _NVME_PAYS_BELOW_MBPS:
            return ""
        slow, fast = (
            self.megabytes / (gbps * _MB_PER_GBIT)
            for gbps in (instance.network_base_gbps, instance.network_gbps)
        )
        return (
            f"the {instance.nvme_gb} GB NVMe of {instance.name} would help: it does not share the "
            f"limit of EBS, and S3 fills it in {fast:.0f} to {slow:.0f} s; it is empty after a stop"
        )

    def _loader(self) -> str:
        loaders = self.readers * _LOADER_MBPS
        if min(self.volume_mbps, self.instance.ebs_burst_mbps) <= loaders:
            return ""
        return (
            f"the engine's default loader was measured at {_LOADER_MBPS} MB/s per GPU; "
            "load-format runai_streamer reads faster"
        )
