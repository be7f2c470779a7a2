"""The catalogue's instance types say what AWS says."""

from __future__ import annotations

import pytest

from provision.catalog.instances import instance_type, instance_types
from provision.catalog.lookup import read_csv, read_yaml
from provision.errors import CatalogError
from tests.catalog.rebuild_data import instance_rows, region_rows

COPIED_INSTANCES = {row["instance_type"]: row for row in instance_rows()}
COPIED_REGIONS = {row["region"]: row for row in region_rows()}


def without_provenance(row: dict[str, str]) -> dict[str, str]:
    return {column: value for column, value in row.items() if column not in ("source", "as_of")}


@pytest.mark.parametrize(
    "row", read_csv("instance_types.csv"), ids=lambda row: row["instance_type"]
)
def test_an_instance_row_is_aws_own(row: dict[str, str]) -> None:
    """Every figure of a row is the one in moto's copy of DescribeInstanceTypes."""
    assert without_provenance(row) == without_provenance(COPIED_INSTANCES[row["instance_type"]])


@pytest.mark.parametrize("row", read_csv("regions.csv"), ids=lambda row: row["region"])
def test_a_region_row_is_aws_own(row: dict[str, str]) -> None:
    """What a region sells is what moto's copy of DescribeInstanceTypeOfferings lists."""
    assert without_provenance(row) == without_provenance(COPIED_REGIONS[row["region"]])


def test_no_type_and_no_region_is_missing() -> None:
    """The tables hold every type of the families, and every region of the copy."""
    assert set(instance_types()) == set(COPIED_INSTANCES)
    assert {row["region"] for row in read_csv("regions.csv")} == set(COPIED_REGIONS)


@pytest.mark.parametrize("name", ["instance_types.csv", "regions.csv"])
def test_rows_name_source_and_date(name: str) -> None:
    """No row of a table stands without its source and date."""
    assert all(row["source"] and row["as_of"] for row in read_csv(name))


@pytest.mark.parametrize("key", read_yaml("gpus.yaml"))
def test_a_process_sees_a_little_less_than_the_api_says(key: str) -> None:
    """Visible memory is 98 to 100 % of the API's figure, with a source."""
    row = read_yaml("gpus.yaml")[key]
    assert 0.98 < row["visible_gib"] / (row["memory_mib"] / 1024) < 1
    assert row["visible_status"] in ("seen", "derived", "memory")
    assert row["visible_source"]


def test_a_g5_xlarge() -> None:
    """The type most people start with, whole."""
    g5 = instance_type("g5.xlarge")
    assert (g5.family, g5.gpus, g5.gpu.name, g5.gpu.capability) == ("g5", 1, "A10G", (8, 6))
    assert (g5.vcpus, g5.memory_gib, g5.nvme_gb) == (4, 16, 250)
    assert (g5.ebs_base_mbps, g5.ebs_burst_mbps, g5.ebs_bursts) == (87.5, 437.5, True)
    assert (g5.network_base_gbps, g5.network_gbps, g5.nvlink) == (2.5, 10, False)


def test_a_p4d() -> None:
    """Eight A100 joined by NVLink, EBS without burst."""
    p4d = instance_type("p4d.24xlarge")
    assert (p4d.gpus, p4d.gpu.memory_gib, p4d.visible_gib) == (8, 40, 8 * 39.39)
    assert (p4d.ebs_burst_mbps, p4d.ebs_bursts, p4d.nvlink) == (2375, False, True)
    assert p4d.network_gbps == 400


def test_an_unknown_type_names_the_nearest() -> None:
    """A slip of the finger is answered with what was probably meant."""
    with pytest.raises(CatalogError) as caught:
        instance_type("g5.xlrage")
    assert str(caught.value).startswith(
        "unknown instance type 'g5.xlrage'\n  next: did you mean g5.xlarge"
    )
    assert caught.value.exit_code == 2
