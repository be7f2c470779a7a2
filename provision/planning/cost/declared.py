"""What the Pulumi program declared, as the bill sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Declared:
    """One resource as the program registered it.

    Attributes:
        type: Pulumi's type token (``aws:ec2/natGateway:NatGateway``), of a component too.
        name: the resource's name in the program.
        parent: the name of the component that it belongs to; "" for a component itself.
        inputs: as Pulumi spells them (``minSize``); a reference to another resource is its name.
    """

    type: str
    name: str
    parent: str
    inputs: Mapping[str, Any]
