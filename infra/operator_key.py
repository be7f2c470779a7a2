"""The operator's public key, next to the private one that SSH will use."""

from __future__ import annotations

from pathlib import Path

from provision.config.environment import AccessSettings
from provision.errors import Refused


def read_public_key(access: AccessSettings) -> str:
    """The line in ``<identity_file>.pub``. Raises Refused when there is none."""
    path = Path(access.identity_file + ".pub").expanduser()
    try:
        key = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise Refused(
            f"access.identity_file: {path} can't be read ({error.strerror}); hosts need it",
            hint=f"ssh-keygen -t ed25519 -f {path.with_suffix('')}",
        ) from error
    if len(key.splitlines()) != 1 or not key.startswith(("ssh-", "ecdsa-", "sk-")):
        raise Refused(
            f"access.identity_file: {path} holds no public key",
            hint=f"ssh-keygen -y -f {path.with_suffix('')} > {path}",
        )
    return key
