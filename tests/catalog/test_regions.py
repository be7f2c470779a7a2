"""Where a type is sold."""

from __future__ import annotations

import pytest

from provision.catalog.regions import regions, require_sold, sold_in
from provision.errors import CatalogError


@pytest.mark.parametrize(
    ("instance_type", "region", "sold"),
    [
        ("g5.xlarge", "us-east-1", True),
        ("g5.xlarge", "eu-west-1", True),
        ("g6.xlarge", "eu-west-1", False),
        ("p5.48xlarge", "eu-north-1", True),
        ("g5.xlarge", "af-south-1", False),
        ("g5.xlarge", "moon-1", None),
        ("g99.xlarge", "us-east-1", None),
    ],
)
def test_sold_in(instance_type: str, region: str, sold: bool | None) -> None:
    """True and False are AWS's answers; None is ours: not known."""
    assert sold_in(instance_type, region) is sold


def test_ireland_sells_two_families() -> None:
    """eu-west-1 has g5 and p4d, and none of the newer ones."""
    assert {name.split(".")[0] for name in regions()["eu-west-1"]} == {"g5", "p4d"}


def test_a_type_not_sold_says_where_it_is() -> None:
    """The refusal names both ways out: another region, or another family here."""
    with pytest.raises(CatalogError) as caught:
        require_sold("p4de.24xlarge", "eu-west-1")
    assert str(caught.value) == (
        "p4de.24xlarge is not sold in eu-west-1\n"
        "  next: it is sold in ap-northeast-1, ap-southeast-1, eu-central-1, il-central-1, "
        "us-east-1, us-west-2; eu-west-1 has g5, p4d"
    )


def test_an_unknown_region_names_the_nearest() -> None:
    """A region that does not exist is not simply "not sold"."""
    with pytest.raises(
        CatalogError, match="unknown region 'eu-west-11'\n  next: did you mean eu-west-1"
    ):
        require_sold("g5.xlarge", "eu-west-11")


def test_sold_passes() -> None:
    """Nothing is said about a type that can be had."""
    require_sold("g5.xlarge", "us-east-1")
