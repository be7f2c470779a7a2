"""Instance types with GPUs, as AWS describes them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

from provision.catalog.lookup import read_csv, read_yaml, unknown


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU.

    ``visible_gib`` is what CUDA shows to a process and what the engine's memory share is taken
    from; ``memory_gib`` is the EC2 API's figure. ``visible_status`` says how sure it is: ``seen``,
    ``derived`` or ``memory``.
    """

    key: str
    name: str
    memory_gib: float
    visible_gib: float
    visible_status: str
    bandwidth_gbps: float | None
    fp16_tflops: float | None
    compute_capability: str

    @property
    def capability(self) -> tuple[int, int]:
        """Compute capability as numbers that compare: ``(8, 6)`` is an A10G."""
        major, minor = self.compute_capability.split(".")
        return int(major), int(minor)


@dataclass(frozen=True, slots=True)
class InstanceType:
    """One instance type.

    EBS throughput is in MB/s (10^6 bytes), network in Gbit/s. Base is what lasts; burst is what AWS
    gives for at least half an hour a day. ``nvme_gb`` is None when there is no instance store.
    """

    name: str
    family: str
    gpu: Gpu
    gpus: int
    vcpus: int
    memory_gib: float
    ebs_base_mbps: float
    ebs_burst_mbps: float
    ebs_base_iops: int
    ebs_burst_iops: int
    nvme_gb: int | None
    network_base_gbps: float
    network_gbps: float

    @property
    def visible_gib(self) -> float:
        """Memory of all GPUs together, as processes see it."""
        return self.gpus * self.gpu.visible_gib

    @property
    def nvlink(self) -> bool:
        """Whether its GPUs are joined by NVLink (the P families) or only by PCIe (the G ones)."""
        return self.gpus > 1 and self.family.startswith("p")

    @property
    def ebs_bursts(self) -> bool:
        """Whether EBS is faster for a while than it is for good."""
        return self.ebs_burst_mbps > self.ebs_base_mbps


def instance_type(name: str) -> InstanceType:
    """The instance type called *name*.

    Raises CatalogError with the nearest names when there is none.
    """
    types = instance_types()
    if name not in types:
        raise unknown("instance type", name, types)
    return types[name]


@cache
def instance_types() -> MappingProxyType[str, InstanceType]:
    """All of them by name, family by family, small to large."""
    gpus = {key: _gpu(key, row) for key, row in read_yaml("gpus.yaml").items()}
    rows = read_csv("instance_types.csv")
    return MappingProxyType({row["instance_type"]: _instance(row, gpus) for row in rows})


def _gpu(key: str, row: dict[str, Any]) -> Gpu:
    return Gpu(
        key=key,
        name=row["name"],
        memory_gib=row["memory_mib"] / 1024,
        visible_gib=row["visible_gib"],
        visible_status=row["visible_status"],
        bandwidth_gbps=row["bandwidth_gbps"],
        fp16_tflops=row["fp16_tflops"],
        compute_capability=row["compute_capability"],
    )


def _instance(row: dict[str, str], gpus: dict[str, Gpu]) -> InstanceType:
    return InstanceType(
        name=row["instance_type"],
        family=row["instance_type"].split(".")[0],
        gpu=gpus[row["gpu"]],
        gpus=int(row["gpus"]),
        vcpus=int(row["vcpus"]),
        memory_gib=int(row["memory_mib"]) / 1024,
        ebs_base_mbps=float(row["ebs_base_mbps"]),
        ebs_burst_mbps=float(row["ebs_burst_mbps"]),
        ebs_base_iops=int(row["ebs_base_iops"]),
        ebs_burst_iops=int(row["ebs_burst_iops"]),
        nvme_gb=int(row["nvme_gb"]) if row["nvme_gb"] else None,
        network_base_gbps=float(row["network_base_gbps"]),
        network_gbps=float(row["network_gbps"]),
    )
