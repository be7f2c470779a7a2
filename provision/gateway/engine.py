"""LiteLLM's proxy as an application in this process: configured, quiet, with our hooks in it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
    meter.on_broken_stream = _counts_as_failure
    application: App = app
    return application


def _counts_as_failure(kwargs: dict[str, Any]) -> None:
    """A provider that broke a stream off has failed.

    LiteLLM (1.108) gets an exception without a status for it, and does not count it: such a
    provider would never be left alone.
    """
    import litellm
    from litellm.proxy import proxy_server

    error = litellm.ServiceUnavailableError(
        message="the stream broke off", llm_provider="", model=str(kwargs.get("model"))
    )
    told = {**kwargs, "exception": error}
    proxy_server.llm_router.deployment_callback_on_failure(told, None, None, None)
