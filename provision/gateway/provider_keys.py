"""The providers' API keys, from Secrets Manager."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from provision.agent.errors import AgentError
from provision.gateway.settings import Provider

_NOT_THERE = ("ResourceNotFoundException",)


class SecretStore:
    """Secrets as the key ring and the supervisor read them."""

    def __init__(self, secretsmanager: Any) -> None:
        self._client = secretsmanager

    def secret(self, name: str) -> str | None:
        """A secret's text, None when there is none. Raises AgentError."""
        try:
            text: str = self._client.get_secret_value(SecretId=name)["SecretString"]
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _NOT_THERE:
                return None
            raise AgentError(f"can't read the secret {name}: {error}") from None
        except BotoCoreError as error:
            raise AgentError(f"can't read the secret {name}: {error}") from None
        return text


@dataclass(frozen=True, slots=True)
class ProviderKeys:
    """Keys by the variable in which LiteLLM looks for them; *missing* names secrets."""

    by_variable: Mapping[str, str]
    missing: tuple[str, ...]
    without_key: tuple[str, ...]  # providers

    def some(self, providers: tuple[Provider, ...]) -> bool:
        """Whether any provider can be asked."""
        return len(self.without_key) < len(providers)


def fetch(store: SecretStore, providers: tuple[Provider, ...]) -> ProviderKeys:
    """Read every key once. Raises AgentError when Secrets Manager does not answer."""
    texts: dict[str, str] = {}
    keys: dict[str, str] = {}
    without = []
    for provider in providers:
        secret, variable = provider.key_secret, provider.key_variable
        if secret is None or variable is None:
            continue
        if secret not in texts:
            texts[secret] = (store.secret(secret) or "").strip()
        if texts[secret]:
            keys[variable] = texts[secret]
        else:
            without.append(provider.name)
    missing = tuple(secret for secret, text in texts.items() if not text)
    return ProviderKeys(keys, missing, tuple(without))
