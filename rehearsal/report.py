"""What a rehearsal tells at its end: for people, and as the fixed JSON of `fab rehearse --json`."""

from __future__ import annotations

from typing import Any

from rehearsal import outage_report
from rehearsal.story import Rehearsal


def document(done: Rehearsal) -> dict[str, Any]:
    """The fields that scripts depend on."""
    return {
        "ok": done.ok,
        "endpoint": done.endpoint,
        "api_key": done.api_key,
        "hosts": list(done.hosts),
        "release": done.release,
        "steps": [{"name": name, "seconds": seconds} for name, seconds in done.steps],
        "answer": done.answer,
        "streamed_chunks": done.streamed_chunks,
        "left_behind": list(done.left_behind),
        "changes": list(done.changes),
        "waterfalls": done.waterfalls,
        "outage": outage_report.document(done.outage) if done.outage else None,
    }


def text(done: Rehearsal, *, down: bool = False) -> str:
    """The timing table, the answer, and what to try next."""
    lines = [] if down else [*_table(done.steps), "", *_answer(done), ""]
    if done.outage:
        lines += [*outage_report.lines(done.outage), ""]
    if done.changes:
        lines += ["Not as on AWS:", *(f"  - {change}" for change in done.changes), ""]
    if done.left_behind:
        lines += ["Left behind:", *(f"  - {line}" for line in done.left_behind)]
    elif done.standing:
        lines += _what_to_try(done)
    else:
        lines.append("Everything was taken away again; nothing is left behind.")
    return "\n".join(lines)


def _table(steps: list[tuple[str, float]]) -> list[str]:
    width = max(len(name) for name, _ in steps)
    rows = [f"  {name:<{width}}  {seconds:>7.1f} s" for name, seconds in steps]
    total = sum(seconds for _, seconds in steps)
    return ["", *rows, f"  {'':-<{width}}  {'':->9}", f"  {'in all':<{width}}  {total:>7.1f} s"]


def _answer(done: Rehearsal) -> list[str]:
    return [
        f"{len(done.hosts)} hosts serve release {done.release} behind {done.endpoint}",
        f"answer (random weights, so noise): {done.answer!r}",
        f"the same streamed: {done.streamed_chunks} chunks",
    ]


def _what_to_try(done: Rehearsal) -> list[str]:
    return [
        "It stands. Try:",
        "  fab status --env rehearsal",
        "  fab doctor --env rehearsal",
        "  fab logs --env rehearsal --since 5m",
        "  fab deploy --env rehearsal        (nothing to do)",
        *(_TRY_FALLBACK if done.outage else ()),
        f"  curl {done.endpoint}/v1/chat/completions -H 'Authorization: Bearer {done.api_key}' \\",
        "    -H 'Content-Type: application/json' \\",
        '    -d \'{"model": "MODEL", "messages": [{"role": "user", "content": "hello"}]}\''.replace(
            "MODEL", done.model
        ),
        "Take it away: fab rehearse --down",
    ]


_TRY_FALLBACK = (
    "  fab fallback.status --env rehearsal",
    "  fab fallback.history --env rehearsal",
    "  fab fallback.drill --env rehearsal",
)
