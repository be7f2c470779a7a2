"""Look at an environment before anything is made of it."""

from __future__ import annotations

from typing import Any

from invoke.collection import Collection

from playbooks.choice import choose
from playbooks.frame import confirm, emit_json, finish, progress, task
from provision.errors import EXIT_USAGE, UsageError

ENV_HELP = "environment (default: LLM_FLEET_ENV, or the stack selected in Pulumi)"


@task(help={"env": ENV_HELP, "json": "print JSON only"})
def check(_context: Any, env: str | None = None, json: bool = False) -> None:
    """Show every problem of an environment at once, with its timeout chain."""
    from provision.config.check import examine
    from provision.report import config_check

    choice = choose(env)
    checked = examine(choice.name, folder=choice.folder, standing=choice.standing)
    if json:
        emit_json(config_check.document(checked, chosen=choice.source))
    else:
        print(config_check.text(checked, chosen=choice.source))
    finish(0 if checked.ok else EXIT_USAGE)


@task(help={"env": ENV_HELP, "yes": "write without asking", "json": "print JSON only; needs --yes"})
def refresh_ami(
    _context: Any, env: str | None = None, yes: bool = False, json: bool = False
) -> None:
    """Pin the newest machine image with NVIDIA driver in the environment's file."""
    from provision.config import edit, load
    from provision.connectors.ami import refresh
    from provision.report import images

    if json and not yes:
        raise UsageError("--json can't ask", hint="add --yes")
    choice = choose(env)
    path, found = choice.file(), refresh(choice.load())
    progress(f"{choice.name}, {choice.source}: {path}\n{images.text(found)}")
    write = found.is_news and (yes or confirm(f"write {found.new.id}?"))
    if write:
        text = edit.set_value(path.read_text(), "fleet", "ami", found.new.id, source=str(path))
        load.rewrite(path, text)
        progress("written: the next `pulumi up` uses it")
    else:
        progress("left as it was" if found.is_news else "nothing to do: that is the newest")
    if json:
        emit_json(images.document(found, written=write))


ns = Collection("config", check, refresh_ami)
