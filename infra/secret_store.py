"""Places for secrets. Their values never pass through Pulumi: tasks write them."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws.secretsmanager as secretsmanager
from pulumi import Output, ResourceOptions

from provision.config.environment import Environment
from provision.config.hosted import key_secrets

RECOVERY_DAYS = 7


@dataclass(frozen=True)
class SecretStoreArgs:
    """Whose secrets."""

    environment: Environment


class SecretStore(pulumi.ComponentResource):
    """Client keys (hashes), the operator's probe key, the hub's token, hosted providers' keys.

    *arns* are those that hosts may read: no key of a provider is among them.
    """

    client_keys: secretsmanager.Secret
    probe_key: secretsmanager.Secret
    hub_token: secretsmanager.Secret
    arns: list[Output[str]]

    def __init__(
        self, name: str, args: SecretStoreArgs, opts: ResourceOptions | None = None
    ) -> None:
        super().__init__("llm-fleet:infra:SecretStore", name, None, opts)
        self._name, self._root = name, args.environment.secret_root
        self.client_keys = self._place("client-keys", "Hashes of client keys; `fab keys.add`")
        self.probe_key = self._place("probe-key", "The operator's own key; made by `fab deploy`")
        self.hub_token = self._place("hub-token", "Hugging Face token, for gated models only")
        self.arns = [self.client_keys.arn, self.probe_key.arn, self.hub_token.arn]
        for company in key_secrets(args.environment):
            self._place(f"{company}-api-key", f"API key of {company}; a person puts it here")
        self.register_outputs({})

    def _place(self, name: str, description: str) -> secretsmanager.Secret:
        return secretsmanager.Secret(
            f"{self._name}-{name}",
            name=f"{self._root}/{name}",
            description=description,
            recovery_window_in_days=RECOVERY_DAYS,
            tags={"Name": f"{self._root}/{name}"},
            opts=ResourceOptions(parent=self),
        )
