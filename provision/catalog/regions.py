"""Where instance types are sold."""

from __future__ import annotations

from functools import cache

from provision.catalog.instances import instance_types
from provision.catalog.lookup import read_csv, unknown
from provision.errors import CatalogError


@cache
def regions() -> dict[str, frozenset[str]]:
    """Region -> those types of the catalogue that AWS offers there (possibly none)."""
    return {row["region"]: frozenset(row["sold"].split()) for row in read_csv("regions.csv")}


def sold_in(instance_type: str, region: str) -> bool | None:
    """Whether *instance_type* can be had in *region*; None when either is unknown here."""
    if region not in regions() or instance_type not in instance_types():
        return None
    return instance_type in regions()[region]


def require_sold(instance_type: str, region: str) -> None:
    """Raise CatalogError when the type is not sold in the region, or the region does not exist.

    The hint names where it is sold, or what is sold there.
    """
    if region not in regions():
        raise unknown("region", region, regions())
    if sold_in(instance_type, region) is False:
        raise CatalogError(
            f"{instance_type} is not sold in {region}", hint=_elsewhere(instance_type, region)
        )


def _elsewhere(instance_type: str, region: str) -> str:
    places = sorted(name for name, sold in regions().items() if instance_type in sold)
    families = sorted({name.split(".")[0] for name in regions()[region]})
    return (
        f"it is sold in {', '.join(places) or 'no region of the catalogue'}; "
        f"{region} has {', '.join(families) or 'none of these families'}"
    )
