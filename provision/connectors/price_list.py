"""The AWS Price List: products with their attributes and on-demand prices."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol

from provision.errors import CloudError

# Without the last two, SKUs of unused reservations and of capacity blocks come along.
LINUX = {
    "operatingSystem": "Linux",
    "tenancy": "Shared",
    "preInstalledSw": "NA",
    "productFamily": "Compute Instance",
    "capacitystatus": "Used",
    "marketoption": "OnDemand",
}
_PAGE = 100
# us-east-1 has none, Ireland is the one without a digit, KMS writes the region in full.
_REGION = re.compile(r"^(EU|[A-Z]{3}\d|[a-z]{2}(-[a-z]+)+-\d)-")
_FORMAT = "aws_v1"


class Pages(Protocol):
    """What is needed of :class:`provision.connectors.aws_client.AwsClients`."""

    def pages(self, service: str, operation: str, resource: str, **parameters: Any) -> list[Any]:
        """All pages of a list call; errors are CloudError."""

    def call(self, service: str, operation: str, resource: str, /, **parameters: Any) -> Any:
        """One call; errors are CloudError."""


@dataclass(frozen=True, slots=True)
class Rate:
    """US dollars per *unit*, from *begin* up to *end* units a month (None: without end)."""

    usd: Decimal
    unit: str
    begin: Decimal
    end: Decimal | None


@dataclass(frozen=True, slots=True)
class Product:
    """Something that AWS sells, with its on-demand rates, the first tier first, free ones left
    out."""

    attributes: Mapping[str, str]
    rates: tuple[Rate, ...]

    @property
    def usage(self) -> str:
        """Its usage type without the region: ``EUC1-LCUUsage`` and ``LCUUsage`` are the same.

        Other prefixes stay: ``TS-LoadBalancerUsage`` is no hour of a load balancer.
        """
        return _REGION.sub("", self.attributes.get("usagetype", ""), count=1)


def products(aws: Pages, service_code: str, filters: Mapping[str, str]) -> list[Product]:
    """All products of a service for which *filters* hold. Raises CloudError."""
    what = f"{service_code} in {filters.get('regionCode', 'the price list')}"
    pages = aws.pages(
        *("pricing", "get_products", what),
        ServiceCode=service_code,
        FormatVersion=_FORMAT,
        Filters=[{"Type": "TERM_MATCH", "Field": k, "Value": v} for k, v in filters.items()],
        PaginationConfig={"PageSize": _PAGE},
    )
    return [_product(text, what) for page in pages for text in page["PriceList"]]


def _product(text: str, what: str) -> Product:
    try:
        said = json.loads(text)
        terms = said["terms"].get("OnDemand", {}).values()
        dimensions = (d for term in terms for d in term["priceDimensions"].values())
        return Product(dict(said["product"]["attributes"]), _rates(dimensions))
    except (ValueError, KeyError, TypeError, AttributeError, InvalidOperation) as error:
        raise CloudError(
            f"pricing:get_products on {what}: an answer that can't be understood ({error!r})",
            hint="AWS may have changed its format: the prices stay as they are",
        ) from error


def _rates(dimensions: Iterable[Any]) -> tuple[Rate, ...]:
    rates = (
        Rate(
            Decimal(d["pricePerUnit"]["USD"]),
            d["unit"],
            _bound(d["beginRange"]),
            _end(d["endRange"]),
        )
        for d in dimensions
        if "USD" in d["pricePerUnit"]
    )
    return tuple(sorted((r for r in rates if r.usd), key=lambda rate: rate.begin))


def _bound(said: str) -> Decimal:
    return Decimal(said or 0)


def _end(said: str) -> Decimal | None:
    return None if said in {"Inf", ""} else Decimal(said)
