"""The secret with the client keys: read, changed by a pure function, written whole."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from provision.connectors.protocols import Cloud
from provision.planning import keys
from provision.planning.keys import Keys
from provision.secret import Secret


@dataclass(frozen=True, slots=True)
class KeyStore:
    """The environment's client keys.

    Secrets Manager has no conditional write: of two people who change keys in the same second, the
    later one wins.
    """

    cloud: Cloud

    def read(self) -> Keys:
        """All keys. Raises FleetError when the secret holds something else."""
        secret = self.cloud.get_secret(self.cloud.outputs().client_keys_secret)
        return keys.parse(secret.reveal() if secret else None)

    def change(self, how: Callable[[Keys], Keys]) -> Keys:
        """Write what *how* makes of the keys, and return it; its errors leave them as they are."""
        changed = how(self.read())
        self.cloud.put_secret(self.cloud.outputs().client_keys_secret, Secret(changed.to_json()))
        return changed


def new_text() -> str:
    """The text of a key that nobody can guess."""
    return keys.new_text(secrets.token_bytes(keys.RANDOM_BYTES))
