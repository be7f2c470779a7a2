"""What `pulumi up` runs: the stack's name is the environment's name."""

from __future__ import annotations

from pathlib import Path

import pulumi

from infra.operator_key import read_public_key
from infra.program import declare
from provision.catalog.prices.load import FOLDER
from provision.config.load import load

PROJECT = Path(__file__).resolve().parent.parent

environment = load(pulumi.get_stack(), folder=PROJECT)
for name, value in declare(
    environment, public_key=read_public_key(environment.access), prices=PROJECT / FOLDER
).items():
    pulumi.export(name, value)
