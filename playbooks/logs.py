"""What the hosts said."""

from __future__ import annotations

from typing import Any

from playbooks.config import ENV_HELP
from playbooks.frame import finish, progress, task
from playbooks.session import Session
from provision.errors import EXIT_FAILED

_HELP = {
    "env": ENV_HELP,
    "hosts": "only these: names or addresses, comma-separated, shell patterns",
    "since": "not older than this: 90s, 10m, 2h, 1d",
    "lines": "at most this many of each engine, front and agent",
    "follow": "go on as more comes, for an hour at most; Ctrl-C ends it",
}


@task(help=_HELP)
def logs(
    _context: Any,
    env: str | None = None,
    hosts: str = "*",
    since: str = "",
    lines: int = 100,
    follow: bool = False,
) -> None:
    """Show the logs of engines, fronts and agents of all hosts."""
    from provision.commands.logs import logs as command
    from provision.executor.fan_out import stream_all

    asked = command(since=since, lines=lines, follow=follow)
    with Session.open(env) as session:
        progress(session.chosen)
        fleet = session.cloud.inventory()
        chosen = fleet if hosts == "*" else fleet.select(hosts)
        try:
            failed = stream_all(chosen, asked, session.shell, print)
        except KeyboardInterrupt:
            if not follow:
                raise
            failed = ()  # that is how following ends
    for error in failed:
        progress(f"error: {error}")
    finish(EXIT_FAILED if failed else 0)
