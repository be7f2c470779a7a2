"""Where things are: on a host, and inside its containers."""

from __future__ import annotations

# On the host.
ETC = "/etc/llm-fleet"
RUN = "/run/llm-fleet"
HOST_PROGRAM = "/opt/llm-fleet/host.pyz"
CACHE = "/var/lib/llm-fleet/cache"

# Ports of a host. Replica i of the engine is published on ENGINE_PORT_BASE + i, loopback only.
FRONT_PORT = 8000
ENGINE_PORT_BASE = 8001
AGENT_PORT = 8081

# Of the gateway, in its task: the containers of one task share the loopback.
GATEWAY_PORT = 4000
GATEWAY_RUN = RUN

# Inside the engine's container.
ENGINE_PORT = 8000
ENGINE_CONFIG = "/etc/llm-fleet/engine.yaml"
MODELS = "/models"
ENGINE_CACHE = "/engine-cache"

# The containers' bridge network. The addresses are fixed, because Docker's DNS only knows the
# containers that run, and nginx refuses to start when one name fails. 198.18.0.0/15 is set aside
# for benchmarks of network devices (RFC 2544): no VPC routes it.
SUBNET = "198.18.97.0/24"
FRONT_ADDRESS = "198.18.97.5"


def engine_address(replica: int) -> str:
    """Address of the replica's container on the bridge network."""
    return f"198.18.97.{10 + replica}"


def engine_container(replica: int) -> str:
    """Name of the replica's container."""
    return f"llm-fleet-engine-{replica}"
