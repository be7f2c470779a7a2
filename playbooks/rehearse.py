"""The whole way on this machine: real parts, no AWS account, no GPU."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from playbooks.choice import choose
from playbooks.frame import emit_json, finish, progress, task
from provision.config.load import REHEARSAL, load, project_folder
from provision.errors import EXIT_FAILED

if TYPE_CHECKING:
    from provision.config.environment import Environment

_HELP = {
    "env": "environment to rehearse (default: rehearsal)",
    "hosts": "how many hosts (default: what the environment says, two at most)",
    "keep": "leave it standing, for every other task with --env rehearsal",
    "outage": "with a fallback, and an outage: spill, switch and the way back, measured",
    "down": "take away a rehearsal that stands, or what a killed one left",
    "json": "print JSON only",
}


@task(help=_HELP)
def rehearse(
    _context: Any,
    env: str | None = None,
    hosts: int = 0,
    keep: bool = False,
    outage: bool = False,
    down: bool = False,
    json: bool = False,
) -> None:
    """Provision, set up, deploy and ask, all on this machine."""
    from rehearsal import report, story

    if down:
        done = story.take_down(progress)
    else:
        wanted, room = _environments(env)
        done = story.rehearse(
            wanted, room, hosts=hosts or None, keep=keep, outage=outage, say=progress
        )
    if json:
        emit_json(report.document(done))
    else:
        print(report.text(done, down=down))
    finish(0 if done.ok else EXIT_FAILED)


def _environments(env: str | None) -> tuple[Environment, Environment]:
    """What is rehearsed, and the machine room, as the project's own file describes it."""
    folder = project_folder(Path.cwd())
    room = load(REHEARSAL, folder=folder)
    return (room if env in (None, REHEARSAL) else choose(env).load()), room
