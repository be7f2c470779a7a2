"""What an hour of an instance costs, where it can be had at all."""

from __future__ import annotations

from provision.catalog.instances import instance_type
from provision.catalog.prices.book import PriceBook
from provision.catalog.prices.price import Price
from provision.catalog.regions import require_sold


def on_demand_hour(book: PriceBook, name: str, region: str) -> Price | None:
    """The on-demand price of *name* in *region*; None when nobody knows it.

    Raises CatalogError for a type that the catalogue lacks or AWS does not sell there: what can't
    be had has no price, and never a price of 0.
    """
    require_sold(instance_type(name).name, region)
    return book.on_demand.get((name, region))
