"""One host as its checks see it."""

from __future__ import annotations

from dataclasses import dataclass

from provision.config.environment import Environment
from provision.facts.doctor import Evidence
from provision.facts.host import HostFacts
from provision.facts.inventory import Host


@dataclass(frozen=True, slots=True)
class Case:
    """``expected_gpus`` is what the instance type brings, None when the catalogue does not know."""

    environment: Environment
    host: Host
    facts: HostFacts
    evidence: Evidence
    expected_gpus: int | None
    now_s: float

    @property
    def serves(self) -> bool:
        """Whether the agent saw an answer of the engine just now: the best proof of a GPU."""
        return (self.facts.agent or {}).get("state") == "ready"

    @property
    def kernel_hidden(self) -> bool:
        """The driver answers although no module of it is loaded: this is no host of its own
        kernel (a container, a rehearsal), so what it says of modules and devices means nothing."""
        return bool(self.facts.gpus) and not any(
            name.startswith("nvidia") for name in self.evidence.modules or ()
        )
