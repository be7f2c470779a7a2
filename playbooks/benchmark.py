"""How much an engine carries."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from playbooks.config import ENV_HELP
from playbooks.frame import emit_json, progress, task
from playbooks.session import Session

if TYPE_CHECKING:
    from provision.planning.benchmark import Benchmark

_HELP = {
    "env": ENV_HELP,
    "host": "the host to measure (default: the first that is ready); it serves clients meanwhile",
    "input-tokens": "tokens of a prompt",
    "output-tokens": "tokens of an answer",
    "concurrency": "requests at a time, rising: 1,2,4,8 (default: doubling)",
    "max": "at most this many requests at a time",
    "json": "print JSON only",
}


@task(help=_HELP)
def benchmark(
    _context: Any,
    env: str | None = None,
    host: str = "",
    input_tokens: int = 1024,
    output_tokens: int = 128,
    concurrency: str = "",
    max: int = 128,
    json: bool = False,
) -> None:
    """Measure an engine with vLLM's own load generator, at rising load until it is flat."""
    from provision.executor.benchmark import measure
    from provision.executor.gather import look_at
    from provision.planning.benchmark import ladder, pick
    from provision.report import benchmark as report

    with Session.open(env) as session:
        progress(session.chosen)
        clients = ladder(concurrency, most=max)
        fleet = session.cloud.inventory()
        seen = look_at(fleet.select(host) if host else fleet, session.shell)
        chosen = pick(fleet, seen.facts)
        progress(f"measuring {chosen.name}, which goes on serving clients")
        done = measure(
            chosen,
            seen.facts[chosen.name],
            shell=session.shell,
            cloud=session.cloud,
            clock=session.clock,
            clients=clients,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            say=progress,
        )
        if session.folder is not None:
            _keep(done, session.folder, session.environment.name)
    if json:
        emit_json(report.document(done))
    else:
        print(report.text(done))


def _keep(done: Benchmark, folder: Path, environment: str) -> None:
    """A copy for `fab cost.*`, which asks nobody."""
    from playbooks import kept
    from provision.planning.benchmark import to_json

    before = kept.place(folder, environment, done.key)
    data = to_json(done, before=before.read_bytes() if before.exists() else None)
    progress(f"kept for `fab cost.*`: {kept.write(folder, environment, done.key, data)}")
