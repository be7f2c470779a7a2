"""What `pulumi up` runs: the stack's name is the environment's name."""

from __future__ import annotations

import os
from pathlib import Path

import pulumi

from infra.at_home import DURING
from infra.operator_key import read_public_key
from infra.program import declare
from provision.catalog.prices.load import FOLDER
from provision.config.load import load
from provision.errors import FleetError

PROJECT = Path(__file__).resolve().parent.parent

try:
    environment = load(pulumi.get_stack(), folder=PROJECT)
    key = read_public_key(environment.access)
    outputs = declare(
        environment,
        public_key=key,
        prices=PROJECT / FOLDER,
        during_fallback=os.environ.get(DURING) == "1",
    )
except FleetError as error:
    # Pulumi shows the message of this one alone, of any other the whole traceback.
    raise pulumi.RunError(str(error)) from error
for name, value in outputs.items():
    pulumi.export(name, value)
