"""LiteLLM's hooks, as the ledger needs them: who is asked, and what comes of it.

Tried with LiteLLM 1.108: the hooks around a deployment are called for every attempt, fallbacks
included; the success event comes also for a stream that its client left (with the tokens that had
come), the failure event also for one that its provider broke off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from litellm.integrations.custom_logger import CustomLogger

from provision.gateway import failure
from provision.gateway.events import Events
from provision.gateway.ledger import Ledger
from provision.gateway.money import Tokens


class Meter(CustomLogger):  # type: ignore[misc]  # LiteLLM is only where it runs
    """Writes every attempt into the ledger."""

    def __init__(self, ledger: Ledger, events: Events) -> None:
        super().__init__()
        self._ledger = ledger
        self._events = events
        self.on_broken_stream: Callable[[dict[str, Any]], None] = lambda _: None

    async def async_pre_call_deployment_hook(
        self, kwargs: dict[str, Any], call_type: Any
    ) -> dict[str, Any]:
        """A provider is about to be asked."""
        self._ledger.began(*_whose(kwargs))
        return kwargs

    async def async_post_call_failure_deployment_hook(
        self,
        request_data: Mapping[str, Any],
        exception: Exception,
        call_type: Any,
        fallback_depth: int | None = None,
    ) -> None:
        """A provider gave no answer, or an error."""
        id, provider = _whose(request_data)
        billed = failure.may_bill(exception)
        if billed:
            self._ledger.unknown(id, provider)
        else:
            self._ledger.billed(id, provider, Tokens())
        self._say_failed(id, provider, exception, may_bill=billed)

    async def async_log_success_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """An answer is over; of a stream that its client left, as far as it had come."""
        usage = getattr(response_obj, "usage", None)
        if usage is None or not usage.prompt_tokens:  # no prompt is empty: nobody has counted
            self._ledger.unknown(*_attempt(kwargs))
        else:
            tokens = Tokens(usage.prompt_tokens, usage.completion_tokens or 0)
            self._ledger.billed(*_attempt(kwargs), tokens)

    async def async_log_failure_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        """A stream was broken off: what had come of it is billed.

        Other failures come here too, some of them under the name of the next provider; the hook
        above knows them better.
        """
        said = kwargs.get("standard_logging_object") or {}
        tokens = Tokens(said.get("prompt_tokens") or 0, said.get("completion_tokens") or 0)
        if tokens != Tokens():
            id, provider = _attempt(kwargs)
            self._ledger.billed(id, provider, tokens)
            self._say_failed(id, provider, kwargs.get("exception"), may_bill=True)
            self.on_broken_stream(kwargs)

    def _say_failed(self, id: str, provider: str, error: object, *, may_bill: bool) -> None:
        self._events.say(
            "provider-failed",
            id=id,
            provider=provider,
            error=type(error).__name__,
            status=getattr(error, "status_code", None),
            may_bill=may_bill,
            metrics={"ProviderFailed": 1},
        )


def _whose(kwargs: Mapping[str, Any]) -> tuple[str, str]:
    """Request and provider, from the arguments of one attempt."""
    info = kwargs.get("model_info") or {}
    return str(kwargs.get("litellm_call_id")), str(info.get("id"))


def _attempt(kwargs: Mapping[str, Any]) -> tuple[str, str]:
    """The same, from an event."""
    info = (kwargs.get("litellm_params") or {}).get("model_info") or {}
    return str(kwargs.get("litellm_call_id")), str(info.get("id"))
