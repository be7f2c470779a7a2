"""One JSON line a decision: what was seen, what was decided, what became of it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from provision.switch.look import Applied, Looked
from provision.switch.settings import Settings
from provision.switch.values import Intent, Outcome, Signals, Token, stamp


def decided(looked: Looked, settings: Settings, cause: str, now: float) -> dict[str, Any]:
    """The line of a look that came to a decision; its numbers are metrics too (EMF)."""
    decision = looked.decision
    before, after = decision.before, decision.state
    return {
        "event": "switch",
        "environment": settings.environment,
        "at": stamp(now),
        "cause": cause,
        "mode": {"was": before.mode, "now": after.mode},
        "weights": {"was": list(before.weights), "now": list(after.weights)},
        "applied": looked.applied,
        "reason": decision.reason,
        "next": decision.next_step,
        "since": stamp(after.since),
        "hold_until": stamp(after.hold_until) if after.hold_until else None,
        "trips_today": len(after.trips),
        "signals": _signals(looked, settings),
        "intent": _intent(looked.signals.intent),
        "pages": list(decision.pages),
        "problems": list(looked.problems),
        **_metrics(looked, settings, now),
    }


def failed(error: str, settings: Settings, cause: str, now: float) -> dict[str, Any]:
    """The line of a look that could not decide, or not write: the weights are as they were."""
    return {
        "event": "switch-failed",
        "environment": settings.environment,
        "at": stamp(now),
        "cause": cause,
        "applied": "nothing: the weights are as they were",
        "reason": error,
        "next": "the next look tries again",
    }


def line(document: Mapping[str, Any]) -> str:
    """One line of the log."""
    return json.dumps(document, separators=(",", ":"))


def _signals(looked: Looked, settings: Settings) -> dict[str, Any]:
    signals, proof = looked.signals, looked.decision.state.proof
    hosts = signals.hosts
    cap = settings.policy.daily_cap_usd
    return {
        "tokens": [_token(token) for token in signals.primary],
        "hosted_token": _token(signals.fallback) if signals.fallback else None,
        "hosted_good_at": None if proof.good_at is None else stamp(proof.good_at),
        "hosted_misses": proof.misses,
        "alarms": dict(signals.alarms),
        "alarms_ringing": list(looked.alarms.ringing),
        "hosts": None
        if hosts is None
        else {
            "healthy": hosts.healthy,
            "unhealthy": hosts.unhealthy,
            "starting": hosts.starting,
            "leaving": hosts.leaving,
        },
        "spent_usd": None if signals.spent_usd is None else str(signals.spent_usd),
        "daily_cap_usd": None if cap is None else str(cap),
    }


def _token(token: Token) -> dict[str, Any]:
    said = {"outcome": token.outcome, "seconds": round(token.seconds, 3)}
    return {**said, "detail": token.detail} if token.detail else said


def _intent(intent: Intent) -> dict[str, Any]:
    return {
        "mode": intent.wish,
        "by": intent.by or None,
        "reason": intent.reason or None,
        "expires_at": None if intent.expires_at is None else stamp(intent.expires_at),
        "version": intent.version,
    }


def _metrics(looked: Looked, settings: Settings, now: float) -> dict[str, Any]:
    """Metrics without a call and without dimensions; what is unknown is left out, not 0."""
    decision = looked.decision
    in_force = looked.applied in (Applied.DONE, Applied.NOTHING)
    numbers = {
        "PrimaryShare": ((decision.state if in_force else decision.before).share, "Percent"),
        "Trips": (int(decision.tripped and in_force), "Count"),
        **_tokens_good(looked.signals),
        **_hosted_good(looked.signals.fallback),
    }
    metrics = [{"Name": name, "Unit": unit} for name, (_, unit) in numbers.items()]
    directive = {
        "Namespace": settings.metric_namespace,
        "Dimensions": [[]],
        "Metrics": metrics,
    }
    return {
        **{name: value for name, (value, _) in numbers.items()},
        "_aws": {"Timestamp": int(now * 1000), "CloudWatchMetrics": [directive]},
    }


def _tokens_good(signals: Signals) -> dict[str, tuple[float, str]]:
    if not signals.primary:
        return {}
    good = sum(token.outcome is Outcome.GOOD for token in signals.primary)
    return {"SwitchTokensGood": (round(good / len(signals.primary), 3), "None")}


def _hosted_good(token: Token | None) -> dict[str, tuple[float, str]]:
    return {"HostedTokenGood": (int(token.outcome is Outcome.GOOD), "None")} if token else {}
