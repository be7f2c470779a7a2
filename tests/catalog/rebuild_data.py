"""Rebuild the catalogue's tables from the copy of AWS answers that moto ships.

    .venv/bin/python tests/catalog/rebuild_data.py

The copy holds DescribeInstanceTypes and DescribeInstanceTypeOfferings. The test beside this file
uses the same functions, so a table that no longer says what the copy says is found.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parents[2] / "provision" / "catalog" / "data"
AS_OF = "2026-10-27"  # when moto 5.2.5 was packed; change it with moto
FAMILIES = ("g5", "g6", "g6e", "g7e", "p4d", "p4de", "p5", "p5e", "p5en")
GPU_NAMES = {
    ("A10G", 22888): "a10g",
    ("L4", 22888): "l4",
    ("L40S", 45776): "l40s",
    ("RTX PRO Server 6000", 98304): "rtx-pro-6000",
    ("A100", 40960): "a100-40",
    ("A100", 81920): "a100-80",
    ("H100", 81920): "h100",
    ("H200", 144384): "h200",
}


def instance_rows() -> list[dict[str, str]]:
    """One row per instance type of the catalogue's families, as AWS describes it."""
    described = read("instance_types.json.gz")
    wanted = [name for name in described if name.split(".")[0] in FAMILIES]
    order = sorted(wanted, key=lambda n: (FAMILIES.index(n.split(".")[0]), vcpus(described[n])))
    return [instance_row(name, described[name]) for name in order]


def instance_row(name: str, answer: dict[str, Any]) -> dict[str, str]:
    gpu = answer["GpuInfo"]["Gpus"][0]
    ebs = answer["EbsInfo"]["EbsOptimizedInfo"]
    cards = answer["NetworkInfo"]["NetworkCards"]
    peak = peak_gbps(answer["NetworkInfo"]["NetworkPerformance"])
    memory_mib = gpu["MemoryInfo"]["SizeInMiB"]
    row = {
        "instance_type": name,
        "gpu": GPU_NAMES[gpu["Name"], memory_mib],
        "gpus": gpu["Count"],
        "vcpus": vcpus(answer),
        "memory_mib": answer["MemoryInfo"]["SizeInMiB"],
        "ebs_base_mbps": ebs["BaselineThroughputInMBps"],
        "ebs_burst_mbps": ebs["MaximumThroughputInMBps"],
        "ebs_base_iops": ebs["BaselineIops"],
        "ebs_burst_iops": ebs["MaximumIops"],
        "nvme_gb": answer.get("InstanceStorageInfo", {}).get("TotalSizeInGB", ""),
        "network_base_gbps": min(peak, sum(card["BaselineBandwidthInGbps"] for card in cards)),
        "network_gbps": peak,
        **provenance("DescribeInstanceTypes"),
    }
    return {column: str(value).removesuffix(".0") for column, value in row.items()}


def region_rows() -> list[dict[str, str]]:
    """One row per region, with those types of the catalogue that are sold there."""
    types = [row["instance_type"] for row in instance_rows()]
    folder = resource("instance_type_offerings/region")
    rows = []
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        sold = {
            offer["InstanceType"] for offer in read(f"instance_type_offerings/region/{file.name}")
        }
        rows.append(
            {
                "region": file.name.split(".")[0],
                "sold": " ".join(name for name in types if name in sold),
                **provenance("DescribeInstanceTypeOfferings"),
            }
        )
    return rows


def peak_gbps(performance: str) -> int:
    """``Up to 10 Gigabit`` is 10, ``4x 100 Gigabit`` is 400.

    (The cards of some types add up to more than the instance is given: their sum is no answer.)
    """
    match = re.fullmatch(r"(?:Up to )?(?:(\d+)x )?(\d+) Gigabit", performance)
    assert match, performance
    return int(match[1] or 1) * int(match[2])


def provenance(call: str) -> dict[str, str]:
    return {"source": f"{call} (copy in moto {version('moto')})", "as_of": AS_OF}


def vcpus(answer: dict[str, Any]) -> int:
    return int(answer["VCpuInfo"]["DefaultVCpus"])


def resource(name: str) -> Any:
    return files("moto.ec2") / "resources" / name


def read(name: str) -> Any:
    return json.loads(gzip.decompress(resource(name).read_bytes()))


def write(name: str, rows: list[dict[str, str]]) -> None:
    with (DATA / name).open("w", newline="") as file:
        table = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


if __name__ == "__main__":
    write("instance_types.csv", instance_rows())
    write("regions.csv", region_rows())
