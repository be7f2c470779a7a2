"""Writing a project's price files."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from provision.catalog.prices.book import PriceBook
from provision.catalog.prices.load import load
from provision.catalog.prices.price import Origin, Price, Status
from provision.errors import FleetError
from provision.executor.price_files import Written, write

PLACE = ("g5.xlarge", "us-east-1")


def book(usd: str, **more: Price) -> PriceBook:
    origin = Origin("AWS", "2026-11-21", Status.REFRESHED)
    price = Price(Decimal(usd), "hour", origin)
    return PriceBook(
        on_demand={PLACE: price}, services={(k, "us-east-1"): v for k, v in more.items()}
    )


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_the_first_write_makes_the_folder(tmp_path: Path) -> None:
    """Only tables that hold something; there is nothing to keep."""
    folder = tmp_path / "prices"
    assert write(folder, book("1.1")) == Written((folder / "on_demand.csv",), None)
    assert names(folder) == ["on_demand.csv"]
    assert load(folder=folder).on_demand[PLACE].usd == Decimal("1.1")
    assert (folder / "on_demand.csv").stat().st_mode & 0o777 == 0o644


def test_the_ones_before_are_kept(tmp_path: Path) -> None:
    """One step back, and what the team wrote by hand stays where it is."""
    write(tmp_path, book("1.1"))
    before = (tmp_path / "on_demand.csv").read_text()
    (tmp_path / "overrides.csv").write_text("what,name,region,usd,upfront_usd,as_of,note\n")
    done = write(tmp_path, book("1.2"))
    assert done.previous == tmp_path / "previous"
    assert (tmp_path / "previous" / "on_demand.csv").read_text() == before
    assert names(tmp_path) == [
        "on_demand.csv",
        "overrides.csv",
        "previous",
        "previous/on_demand.csv",
    ]
    assert load(folder=tmp_path).on_demand[PLACE].usd == Decimal("1.2")


def test_a_write_that_is_cut_off_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fills up before the new file takes the old one's place: nothing is half."""
    write(tmp_path, book("1.1"))
    before = (tmp_path / "on_demand.csv").read_text()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("provision.executor.price_files.os.fsync", full)
    with pytest.raises(FleetError, match=r"can't be written: \[Errno 28\] No space left"):
        write(tmp_path, book("1.2"))
    assert (tmp_path / "on_demand.csv").read_text() == before
    assert [name for name in names(tmp_path) if name.startswith(".")] == []


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    """An error with the path, not a traceback."""
    (tmp_path / "prices").write_text("")
    with pytest.raises(FleetError, match="prices: can't be written"):
        write(tmp_path / "prices", book("1.1"))
