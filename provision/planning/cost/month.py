"""One environment for one month: all that pricing a resource looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from provision.catalog.models import model
from provision.catalog.prices.book import PriceBook
from provision.catalog.prices.price import Price
from provision.config.environment import Environment
from provision.errors import CatalogError
from provision.planning.cost.bill import Line, Unbilled
from provision.planning.cost.declared import Declared
from provision.planning.cost.usage import Usage

_MILLIONTH = Decimal("0.000001")
_GROUP = "aws:autoscaling/group:Group"
_TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"


@dataclass(frozen=True, slots=True)
class Group:
    """Hosts of one kind. *market* is ``on-demand``, ``spot`` or ``capacity-block``."""

    resource: Declared
    template: Declared
    instance_type: str
    hosts: int
    max_hosts: int
    zones: int
    market: str


@dataclass(frozen=True)
class Month:
    """What was declared, what is assumed, and what things cost.

    *weights_gb* is the size of the served model's files; None when nobody knows it.
    """

    environment: Environment
    usage: Usage
    book: PriceBook
    resources: tuple[Declared, ...]
    weights_gb: Decimal | None

    @property
    def region(self) -> str:
        """Where everything stands."""
        return self.environment.region

    @property
    def groups(self) -> tuple[Group, ...]:
        """The Auto Scaling groups with what their launch templates say."""
        templates = {each.name: each for each in self.resources if each.type == _TEMPLATE}
        return tuple(
            _group(each, templates[each.inputs["launchTemplate"]["id"]])
            for each in self.resources
            if each.type == _GROUP
        )

    @property
    def hosts(self) -> int:
        """How many hosts run."""
        return sum(group.hosts for group in self.groups)

    def grown(self) -> Month:
        """The same month with every group as large as it may become."""
        resources = tuple(
            replace(each, inputs={**each.inputs, "desiredCapacity": each.inputs["maxSize"]})
            if each.type == _GROUP
            else each
            for each in self.resources
        )
        return replace(self, resources=resources)

    def count(self, type_: str) -> int:
        """How many resources are of *type_*."""
        return sum(1 for each in self.resources if each.type == type_)

    def line(
        self,
        resource: Declared,
        name: str,
        unit: str,
        quantity: Decimal | int,
        item: str,
        *,
        assumed: bool = False,
        note: str = "",
    ) -> Line:
        """A line for so many *unit* of the price book's service *item*."""
        price = self.book.service(item, self.region)
        lacking = "" if price else f"no price for {item} in {self.region} is known"
        return line(resource, name, unit, quantity, price, assumed=assumed, note=lacking or note)


Pricer = Callable[[Declared, Month], Iterator[Line | Unbilled]]


def line(
    resource: Declared,
    name: str,
    unit: str,
    quantity: Decimal | int,
    price: Price | None,
    *,
    assumed: bool = False,
    instance: bool = False,
    note: str = "",
) -> Line:
    """A line of the bill; the quantity is rounded to the millionth, so that it can be printed
    and multiplied again."""
    rounded = Decimal(quantity).quantize(_MILLIONTH, rounding=ROUND_HALF_UP)
    return Line(
        resource=resource.name,
        type=resource.type,
        name=name,
        unit=unit,
        quantity=rounded,
        price=price,
        assumed=assumed,
        instance=instance,
        note=note,
    )


def weights_gb(environment: Environment) -> Decimal | None:
    """The size of the served model's files; None for a model that the catalogue lacks."""
    try:
        found = model(environment.model.name)
    except CatalogError:
        return None
    return Decimal(str(found.weights_gib))


def _group(group: Declared, template: Declared) -> Group:
    inputs: dict[str, Any] = dict(group.inputs)
    hosts = int(inputs.get("desiredCapacity", inputs["minSize"]))
    market = template.inputs.get("instanceMarketOptions", {}).get("marketType", "on-demand")
    return Group(
        resource=group,
        template=template,
        instance_type=template.inputs["instanceType"],
        hosts=hosts,
        max_hosts=int(inputs["maxSize"]),
        zones=len(inputs["vpcZoneIdentifiers"]),
        market=market,
    )
