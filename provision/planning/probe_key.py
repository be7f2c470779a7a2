"""The operator's own client key, with which deploys ask through the load balancer."""

from __future__ import annotations

from provision.planning.keys import Key, Keys, fingerprint, parse

NAME = "_probe"


def accepts(client_keys: str | None, key: str) -> bool:
    """Whether the fronts take *key*, going by the text of the client-keys secret."""
    known = parse(client_keys).by_name.get(NAME)
    return known is not None and known.sha256 == fingerprint(key)


def with_probe(client_keys: str | None, key: str, *, created: str) -> str:
    """The text of the client-keys secret with *key* as the probe; the other keys stay."""
    others = parse(client_keys).by_name
    return Keys({**others, NAME: Key(fingerprint(key), created)}).to_json()
