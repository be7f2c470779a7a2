"""The gateway: LiteLLM with a meter before it. It ships as it is, so it imports only itself, and
from the host program the client keys (docs/gateway.md)."""
