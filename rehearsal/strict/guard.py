"""Put the strict layer in front of boto3."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

import boto3

from rehearsal import made_up
from rehearsal.strict.balancing import RULES as BALANCING
from rehearsal.strict.budgets import RULES as BUDGETS
from rehearsal.strict.compute import RULES as COMPUTE
from rehearsal.strict.containers import RULES as CONTAINERS
from rehearsal.strict.monitoring import RULES as MONITORING
from rehearsal.strict.refusal import Look, Params, Refusal, RefusedByAws, Rule
from rehearsal.strict.scaling import RULES as SCALING
from rehearsal.strict.serverless import RULES as SERVERLESS
from rehearsal.strict.shapes import violations
from rehearsal.strict.storage import RULES as STORAGE
from rehearsal.strict.tags import check_tags

EVENT = "provide-client-params"
RULES: dict[tuple[str, str], tuple[Rule, ...]] = {
    **BALANCING,
    **BUDGETS,
    **COMPUTE,
    **MONITORING,
    **CONTAINERS,
    **SCALING,
    **SERVERLESS,
    **STORAGE,
}

C = TypeVar("C")


def guard(client: C, *, look: Look | None = None, endpoint_url: str | None = None) -> C:
    """Make *client* refuse what AWS refuses; returns it.

    Rules that ask what is there use *look*, else clients of their own for *endpoint_url*.
    """
    meta = client.meta  # type: ignore[attr-defined]  # every boto3 client has one
    _register(meta.events, look or _looker(meta.region_name, endpoint_url))
    return client


def guard_session(session: boto3.Session, *, endpoint_url: str | None = None) -> boto3.Session:
    """Make every client that *session* makes from now on refuse what AWS refuses."""
    _register(session.events, _looker(session.region_name, endpoint_url))
    return session


def objection(service: str, operation: str, model: Any, params: Params, look: Look) -> str:
    """Why AWS would refuse the call, "" when it would not; for calls that moto lacks."""
    refusal = _refusal(service, operation, model, params, look)
    return f"{refusal.code}: {refusal.message}" if refusal else ""


def _register(events: Any, look: Look) -> None:
    def handler(params: Params, model: Any, **_: Any) -> None:
        service, operation = model.service_model.service_name, model.name
        refusal = _refusal(service, operation, model, params, look)
        if refusal is not None:
            raise RefusedByAws(refusal, operation)

    events.register(f"{EVENT}.*.*", handler, unique_id="llm-fleet-strict")


def _looker(region: str | None, endpoint_url: str | None) -> Look:
    """Clients for rules: unguarded, made when asked for, and never with real credentials."""
    session = made_up.session(region or "us-east-1")

    @cache
    def look(service: str) -> Any:
        return session.client(service, endpoint_url=endpoint_url)

    return look


def _refusal(
    service: str, operation: str, model: Any, params: Params, look: Look
) -> Refusal | None:
    if model.input_shape is not None:
        wrong = list(violations(model.input_shape, params))
        if wrong:
            return Refusal("ValidationError", f"{service}:{operation}: {'; '.join(wrong)}")
    for rule in (check_tags, *RULES.get((service, operation), ())):
        refusal = rule(params, look)
        if refusal is not None:
            return refusal
    return None
