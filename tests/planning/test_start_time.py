"""How long a start takes, and what holds it up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.catalog.instances import instance_type, instance_types
from provision.catalog.models import model
from provision.config.environment import EngineSettings, ModelCacheSettings
from provision.planning.sizing import size
from provision.planning.start_time import StartTime, disk_read, estimate


def started(name: str, on: str, throughput: int = 125, iops: int = 3000) -> StartTime:
    sizing = size(model(name), instance_type(on), EngineSettings())
    return estimate(sizing, ModelCacheSettings(throughput_mibps=throughput, iops=iops))


def seconds(start: StartTime) -> dict[str, float]:
    return {phase.name: phase.seconds for phase in start.phases}


def weights(start: StartTime) -> tuple[float, float, float]:
    found = next(phase for phase in start.phases if phase.name == "weights")
    return found.seconds, found.low_s, found.high_s


def test_phases_of_one_gpu() -> None:
    """In their order, with the total of a first start and of one with a filled compile cache."""
    start = started("mistral-7b", "g5.xlarge")
    assert list(seconds(start).items()) == [
        ("container", 30),
        ("weights", 111),
        ("compile", 60),
        ("graphs", 17),
        ("warm_up", 10),
    ]
    assert (start.total_s, start.restart_s) == (228, 180)


def test_several_gpus_must_find_each_other() -> None:
    """Tensor parallel adds a phase; so does nothing else."""
    assert seconds(started("llama-3.1-70b", "p4d.24xlarge"))["connect"] == 30
    assert "connect" not in seconds(started("qwen3-14b", "p4d.24xlarge"))


def test_a_g5_xlarge_reads_slowly_whatever_is_bought() -> None:
    """13.5 GiB: 33 s in burst, 166 s at the base, and no volume changes that."""
    assert weights(started("mistral-7b", "g5.xlarge", 500)) == (33, 33, 166)
    assert weights(started("mistral-7b", "g5.xlarge", 2000, 8000)) == (33, 33, 166)


@pytest.mark.parametrize(
    ("on", "throughput", "iops", "said"),
    [
        (
            "g5.xlarge",
            500,
            3000,
            "instance: g5.xlarge reads 437.5 MB/s from EBS in burst (half an hour a day) and "
            "87.5 MB/s at its base, whatever the volume offers",
        ),
        (
            "g5.xlarge",
            125,
            3000,
            "volume: 125 MiB/s (131 MB/s) while g5.xlarge bursts to 437.5 MB/s (half an hour a "
            "day); after that the instance, with a base of 87.5 MB/s",
        ),
        (
            "g5.4xlarge",
            125,
            3000,
            "volume: 125 MiB/s (131 MB/s), g5.4xlarge could read 593.75 MB/s from EBS",
        ),
        (
            "g5.4xlarge",
            600,
            3000,
            "instance: g5.4xlarge reads 593.75 MB/s from EBS, whatever the volume offers",
        ),
        (
            "p4d.24xlarge",
            2000,
            3000,
            "volume: 3000 IOPS carry 750 of the 2000 MiB/s bought (786 MB/s), p4d.24xlarge could "
            "read 2375 MB/s from EBS",
        ),
    ],
)
def test_the_binding_limit(on: str, throughput: int, iops: int, said: str) -> None:
    """The slower of volume and instance, with both figures."""
    assert started("mistral-7b", on, throughput, iops).binding_limit == said


def test_money_for_nothing_is_named() -> None:
    """Throughput that the instance can't take is said to be wasted, with the useful figure."""
    advice = started("mistral-7b", "g5.xlarge", 1000, 4000).advice
    assert advice[0] == (
        "throughput is paid for nothing above 417 MiB/s: g5.xlarge can't read faster "
        "(model_cache.throughput_mibps)"
    )


def test_money_that_helps_is_named_too() -> None:
    """Where the volume binds, the throughput that is worth buying, and the IOPS it needs."""
    assert started("llama-3.1-70b", "p4d.24xlarge").advice == (
        "model_cache.throughput_mibps 2000 and model_cache.iops 8000 would shorten the read from "
        "1077 to 67 s; more is of no use",
    )


@pytest.mark.parametrize(
    ("on", "helps"),
    [("g5.xlarge", True), ("g6.2xlarge", True), ("g5.4xlarge", False), ("p4d.24xlarge", False)],
)
def test_nvme_helps_where_ebs_is_slow(on: str, helps: bool) -> None:
    """Small types have a low EBS base and an NVMe of their own; large ones read EBS fast enough."""
    assert any("NVMe" in line for line in started("mistral-7b", on).advice) is helps


def test_the_loader_may_be_the_slowest() -> None:
    """One engine's default loader can't take what a fast volume gives."""
    advice = started("mistral-7b", "g5.4xlarge", 566).advice
    assert any("runai_streamer" in line for line in advice)


def test_engines_that_share_ram_read_once() -> None:
    """Eight engines of one p4d find the files in the page cache after the first has read them."""
    volume = ModelCacheSettings()
    sizing = size(model("qwen3-14b"), instance_type("p4d.24xlarge"), EngineSettings())
    assert sizing.replicas_per_host == 8
    assert disk_read(sizing, volume).megabytes == pytest.approx(27.51 * 2**30 / 1e6)


INSTANCES = st.sampled_from(list(instance_types().values()))


@given(INSTANCES, st.integers(125, 2000), st.integers(125, 2000))
def test_more_throughput_never_reads_slower(instance: object, one: int, other: int) -> None:
    """And the best case is never worse than the worst."""
    sizing = size(model("mistral-7b"), instance, EngineSettings())  # type: ignore[arg-type]
    slow, fast = (
        disk_read(sizing, ModelCacheSettings(throughput_mibps=mibps, iops=8000))
        for mibps in sorted((one, other))
    )
    assert fast.burst_s <= slow.burst_s
    assert fast.base_s <= slow.base_s
    assert fast.burst_s <= fast.base_s
