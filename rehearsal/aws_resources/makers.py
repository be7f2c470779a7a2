"""All resources that the rehearsal can make, by Pulumi's type token."""

from __future__ import annotations

from rehearsal.aws_resources.account import Maker
from rehearsal.aws_resources.balancing import MAKERS as BALANCING
from rehearsal.aws_resources.budgets import MAKERS as BUDGETS
from rehearsal.aws_resources.compute import MAKERS as COMPUTE
from rehearsal.aws_resources.containers import MAKERS as CONTAINERS
from rehearsal.aws_resources.firewall import MAKERS as FIREWALL
from rehearsal.aws_resources.identity import MAKERS as IDENTITY
from rehearsal.aws_resources.network import MAKERS as NETWORK
from rehearsal.aws_resources.observability import MAKERS as OBSERVABILITY
from rehearsal.aws_resources.serverless import MAKERS as SERVERLESS
from rehearsal.aws_resources.storage import MAKERS as STORAGE

MAKERS: dict[str, Maker] = {
    **BALANCING,
    **BUDGETS,
    **COMPUTE,
    **CONTAINERS,
    **FIREWALL,
    **IDENTITY,
    **NETWORK,
    **OBSERVABILITY,
    **SERVERLESS,
    **STORAGE,
}
