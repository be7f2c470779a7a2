"""LiteLLM's proxy as an application in this process: configured, quiet, with our hooks in it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from provision.gateway.asgi import App
from provision.gateway.meter import Meter
from provision.gateway.settings import Settings

MASTER_KEY = "LITELLM_MASTER_KEY"
_ALWAYS = {
    # Prices and limits of models from the package, not from the internet.
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_TELEMETRY": "False",
    "LITELLM_MODE": "PRODUCTION",  # no .env file is read
    "LITELLM_LOG": "ERROR",
    "DISABLE_ADMIN_UI": "True",
    "NO_DOCS": "True",
    "NO_REDOC": "True",
}


def load(
    settings: Settings, *, hop: str, keys: Mapping[str, str], meter: Meter, folder: Path
) -> App:
    """LiteLLM's application. Its configuration is written to *folder*, without any secret.

    Takes ten seconds or more: LiteLLM is imported here.
    """
    file = folder / "litellm.yaml"
    file.write_text(settings.litellm, encoding="utf-8")
    os.environ.update({**_ALWAYS, **keys, MASTER_KEY: hop, "CONFIG_FILE_PATH": str(file)})
    os.environ.setdefault("AWS_REGION_NAME", settings.region)
    import litellm
    from litellm.proxy.proxy_server import app

    litellm.suppress_debug_info = True
    litellm.callbacks.append(meter)
    application: App = app
    return application
