"""What came of a Plan, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from provision.executor.outcome import HostOutcome, Outcome
from provision.report.table import seconds, table
from provision.report.waterfall import text as waterfall

_ENVIRONMENT = "environment"


def text(outcome: Outcome) -> str:
    """Who got how far, the errors with their evidence, the waterfall, the answer."""
    lines = [f"  {line}" for line in table([_row(one) for one in outcome.hosts if _shown(one)])]
    for one in outcome.hosts:
        if one.error is not None and not one.cut:
            lines += ["", f"error: {one.error}"]
    lines += [""] if outcome.never_began else []
    lines += [f"never began: {title}" for title in outcome.never_began]
    bars = waterfall({one.name: one.waterfall for one in outcome.hosts})
    lines += ["", bars] if bars else []
    if outcome.answer or outcome.streamed_chunks:
        said = " ".join(outcome.answer.split())[:70]
        lines += ["", f"answer: {said!r}, and {outcome.streamed_chunks} chunks when streamed"]
    return "\n".join([*lines, "", _verdict(outcome)])


def document(outcome: Outcome) -> dict[str, Any]:
    """The same for programs."""
    return {
        "ok": outcome.ok,
        "interrupted": outcome.interrupted,
        "seconds": round(outcome.seconds, 3),
        "hosts": [_host(one) for one in outcome.hosts if one.name],
        "environment": [_host(one) for one in outcome.hosts if not one.name],
        "never_began": list(outcome.never_began),
        "steps": [
            {"name": name, "seconds": round(took, 3)} for name, took in outcome.waves.items()
        ],
        "answer": outcome.answer,
        "streamed_chunks": outcome.streamed_chunks,
    }


def _host(one: HostOutcome) -> dict[str, Any]:
    return {
        "name": one.name or _ENVIRONMENT,
        "ok": one.ok,
        "done": [{"step": step.summary, "seconds": round(step.seconds, 3)} for step in one.done],
        "failed": one.failed,
        "error": str(one.error) if one.error else None,
        "not_done": list(one.not_done),
        "waterfall": {name: round(took, 3) for name, took in one.waterfall.items()},
    }


def _shown(one: HostOutcome) -> bool:
    return bool(one.name or one.done or one.error)


def _row(one: HostOutcome) -> tuple[str, str, str]:
    spent = seconds(sum(step.seconds for step in one.done))
    return (one.name or _ENVIRONMENT, _state(one), f"{len(one.done)} step(s), {spent}")


def _state(one: HostOutcome) -> str:
    if one.cut:
        return f"stopped at: {one.failed}"
    if one.error is not None:
        return f"failed at: {one.failed}" if one.failed else "not reached"
    if one.not_done:
        return f"stopped before: {one.not_done[0]}"
    return "done"


def _verdict(outcome: Outcome) -> str:
    took = seconds(outcome.seconds)
    if outcome.ok:
        return f"done in {took}"
    return "; ".join([*_shortfalls(outcome), f"after {took}", "run the same command to go on"])


def _shortfalls(outcome: Outcome) -> Iterator[str]:
    if outcome.interrupted:
        yield "stopped by you"
    failed = [one.name for one in outcome.hosts if one.name and one.error and not one.cut]
    if failed:
        yield f"{len(failed)} host(s) failed: {', '.join(failed[:5])}"
    if any(not one.name and one.error for one in outcome.hosts):
        yield "the environment's own steps failed"
