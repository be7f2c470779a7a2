"""One whole deploy of the bench's folder: look at all hosts, plan, carry out.

    python bench/work/ours.py FLEET.json

The same pieces as ``fab deploy``: one gathering command per host, the release's digest compared
with what the host holds, a Plan, the executor. Prints one JSON line.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from provision.commands.command import Command, Result
from provision.commands.host_program import release_folder
from provision.config.environment import AccessSettings, Transport
from provision.connectors.clock import SystemClock
from provision.connectors.ssh import FabricShell
from provision.executor.gather import look_at
from provision.facts.inventory import Host
from provision.planning.actions import Run, UploadFiles
from provision.planning.plan import Plan, Step, Wave
from provision.planning.release import Release, assemble

TEMPLATES = Path(__file__).with_name("templates")
COMMANDS = (("uname", "-r"), ("df", "-P", "/"), ("python3", "--version"))


class Counting(FabricShell):
    """Counts what goes over SSH."""

    sent = 0
    _counting = threading.Lock()

    def run(self, host: Host, command: Command, *, check: bool = True) -> Result:
        self._count()
        return super().run(host, command, check=check)

    def upload(self, host: Host, files: Mapping[str, bytes], folder: str) -> None:
        self._count()
        super().upload(host, files, folder)

    def _count(self) -> None:
        with self._counting:
            self.sent += 1


def render() -> Release:
    """The five files, rendered and named by their digest."""
    loader = jinja2.FileSystemLoader(TEMPLATES)
    templates = jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined)
    names = sorted(name.removesuffix(".j2") for name in templates.list_templates())
    values = {"model": "mistral-7b", "engine_port": 8000}
    files = {name: templates.get_template(f"{name}.j2").render(values) for name in names}
    return assemble("mistral-7b", files, values)


def plan(hosts: tuple[Host, ...], release: Release, held: Mapping[str, tuple[str, ...]]) -> Plan:
    """What the hosts that do not hold *release* get."""
    upload = UploadFiles(dict(release.files), release_folder(release.id))
    steps = []
    for host in hosts:
        if release.id not in held[host.name]:
            steps.append(Step(host, f"upload {release.id}", "not on the host yet", upload))
            steps += [Step(host, words[0], "is asked", Run(Command(words))) for words in COMMANDS]
    return Plan("bench", (Wave("apply", tuple(steps)),))


def main(file: Path) -> None:
    """Exit code 0 when every host holds the release."""
    said = json.loads(file.read_text())
    hosts = tuple(Host(**{**one, "host_keys": tuple(one["host_keys"])}) for one in said["hosts"])
    access = AccessSettings(transport=Transport.DIRECT, user="root", identity_file=said["key"])
    release = render()
    shell = Counting(access, "us-east-1")
    try:
        seen = look_at(hosts, shell)
        if seen.unreachable:
            sys.exit(f"unreachable: {dict(seen.unreachable)}")
        planned = plan(hosts, release, {name: facts.releases for name, facts in seen.facts.items()})
        ok = not planned or carry_out(planned, shell)
    finally:
        shell.close()
    steps = sum(len(wave.steps) for wave in planned)
    print(json.dumps({"ok": ok, "steps": steps, "commands": shell.sent}))
    sys.exit(not ok)


def carry_out(planned: Plan, shell: FabricShell) -> bool:
    """Whether all of it was done. As in ``fab deploy``, a Plan without steps never comes here."""
    from provision.executor.executor import Executor

    nothing: Any = None  # no step of this Plan asks the cloud or the service
    executor = Executor(shell=shell, http=nothing, cloud=nothing, clock=SystemClock())
    return executor.execute(planned).ok


if __name__ == "__main__":
    main(Path(sys.argv[1]))
