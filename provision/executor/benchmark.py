"""Loading one engine, level by level, until more clients bring no more."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from provision.commands.benchmark import level as level_command
from provision.connectors.protocols import Clock, Cloud, Shell
from provision.errors import CommandFailed, FleetError
from provision.facts.host import HostFacts
from provision.facts.inventory import Host
from provision.planning.benchmark import Benchmark, Level, is_flat, parse_level, to_json

ENGINE = "llm-fleet-engine-0"
ENGINE_PORT = 8001


def measure(
    host: Host,
    facts: HostFacts,
    *,
    shell: Shell,
    cloud: Cloud,
    clock: Clock,
    clients: Sequence[int],
    input_tokens: int,
    output_tokens: int,
    say: Callable[[str], None],
) -> Benchmark:
    """Measure the first engine of *host*, which is ready, and keep the result in the bucket.

    Raises CommandFailed when the load generator fails.
    """
    agent = facts.agent or {}
    benchmark = Benchmark(
        model=str(agent["model"]),
        instance_type=host.instance_type or "unknown",
        release=str(facts.release),
        engines_per_host=len(agent["replicas"]),
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        measured_at=datetime.fromtimestamp(clock.now(), UTC).isoformat(timespec="seconds"),
    )
    levels: list[Level] = []
    for count in clients:
        say(f"{count} client(s) ...")
        levels.append(_level(host, shell, benchmark, clients=count))
        say(f"{count} client(s): {levels[-1].output_tokens_per_s:,.0f} tokens/s")
        if is_flat(levels):
            break
    done = replace(benchmark, levels=tuple(levels))
    cloud.put_object(done.key, to_json(done, before=cloud.get_object(done.key)))
    return done


def _level(host: Host, shell: Shell, benchmark: Benchmark, *, clients: int) -> Level:
    command = level_command(
        container=ENGINE,
        port=ENGINE_PORT,
        input_tokens=benchmark.input_tokens,
        output_tokens=benchmark.output_tokens,
        clients=clients,
    )
    result = shell.run(host, command, check=False)
    if not result:
        raise CommandFailed(
            host.name,
            f"vllm bench serve with {clients} client(s)",
            exit_code=result.exit_code,
            stderr_tail=result.tail(),
            hint="`fab logs` shows what the engine said meanwhile",
        )
    try:
        document = json.loads(result.stdout)
    except ValueError as error:
        raise FleetError(f"{host.name}: no result of the load generator ({error})") from error
    return parse_level(document, clients=clients)
