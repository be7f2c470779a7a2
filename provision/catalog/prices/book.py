"""The price book: look-ups that answer None for what nobody knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from provision.catalog.lookup import unknown
from provision.catalog.prices.price import Commitment, HostedModel, Origin, Price, SpotRange, Tier

Place = tuple[str, str]  # (instance type or service item, region)
EVERYWHERE = "any"  # the region of what costs the same wherever it is


@dataclass(frozen=True)
class PriceBook:
    """Prices by what they are for.

    ``services`` is keyed by dotted items such as ``ebs.gp3.gb_month`` (data/prices/README.md lists
    them); ``capacity_blocks`` hold the price of a whole instance for one hour, paid upfront.
    """

    on_demand: Mapping[Place, Price] = field(default_factory=dict)
    spot: Mapping[Place, SpotRange] = field(default_factory=dict)
    commitments: Mapping[Place, tuple[Commitment, ...]] = field(default_factory=dict)
    capacity_blocks: Mapping[str, Price] = field(default_factory=dict)
    services: Mapping[Place, Price] = field(default_factory=dict)
    egress: Mapping[str, tuple[Tier, ...]] = field(default_factory=dict)
    hosted: Mapping[str, HostedModel] = field(default_factory=dict)

    @property
    def egress_origin(self) -> Origin | None:
        """Where the egress prices come from: that of the first tier that has an origin."""
        tiers = (tier for tiers in self.egress.values() for tier in tiers)
        return next((tier.origin for tier in tiers if tier.origin), None)

    def service(self, item: str, region: str) -> Price | None:
        """The price of *item* in *region*; None when it is not known there."""
        return self.services.get((item, region)) or self.services.get((item, EVERYWHERE))

    def commitment(self, name: str, instance_type: str, region: str) -> Commitment | None:
        """The commitment called *name* (``reserved-1y-no-upfront``); None when not known."""
        known = self.commitments.get((instance_type, region), ())
        return next((one for one in known if one.name == name), None)

    def hosted_model(self, name: str) -> HostedModel:
        """The hosted model. Raises CatalogError with the nearest names when there is none."""
        if name not in self.hosted:
            raise unknown("hosted model", name, self.hosted, hint="`--api` takes a name as listed")
        return self.hosted[name]
