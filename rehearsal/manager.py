"""The part of systemctl that set-up, boot and deploy use, answered by the rehearsal's init."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from rehearsal.nursery import Nursery
from rehearsal.services import LOGS, Service, ServiceError
from rehearsal.units import Unit, UnitError, parse

FOLDERS = ("/etc/systemd/system", "/run/systemd/system", "/lib/systemd/system")
WANTS = Path("/etc/systemd/system/multi-user.target.wants")
QUIET = frozenset({"-q", "--quiet"})
IGNORED = frozenset({"--no-pager", "--system", "--no-ask-password", "--full", "-l", "--no-legend"})
FLAGS = QUIET | IGNORED | {"--now", "--value", "--no-block", "-p"}
PROPERTY = "--property="
ASKS = ("is-active", "is-failed", "is-enabled")


@dataclass(frozen=True, slots=True)
class Reply:
    """What the stand-in for systemctl prints, and its exit code."""

    code: int = 0
    stdout: str = ""
    stderr: str = ""


class Manager:
    """All units of a host. A unit file that changes counts after a daemon-reload only."""

    def __init__(self, nursery: Nursery) -> None:
        self._nursery = nursery
        self._services: dict[str, Service] = {}
        self._texts: dict[str, str] = {}
        self._background: set[asyncio.Future[list[None]]] = set()

    async def answer(self, argv: list[str]) -> Reply:
        """One call of systemctl."""
        self._write_down(argv)
        flags = {word for word in argv if word.startswith("-")}
        words = [word for word in argv if not word.startswith("-")]
        if not words:
            return _refused("systemctl without a verb")
        verb, names = words[0], [_full(name) for name in words[1:]]
        try:
            return await self._dispatch(verb, names, flags, words[1:])
        except (ServiceError, UnitError) as error:
            return Reply(1, stderr=f"{error}\n")
        except FileNotFoundError as error:
            return Reply(5, stderr=f"Failed to {verb} {error}: Unit {error} not found.\n")

    async def boot(self, only: tuple[str, ...] = ()) -> None:
        """Start what is enabled (and named in *only*, if given), each after its After= units."""
        names = [name for name in self._enabled() if not only or name in only]
        for name in _ordered([self._service(name).unit for name in names]):
            try:
                await self._start(name)
            except (ServiceError, UnitError) as error:
                print(f"boot: {error}", flush=True)

    async def _dispatch(
        self, verb: str, names: list[str], flags: set[str], words: list[str]
    ) -> Reply:
        strange = [flag for flag in flags if flag not in FLAGS and not flag.startswith(PROPERTY)]
        if strange:
            return _refused(f"systemctl {verb} {' '.join(sorted(strange))}")
        if action := self._actions().get(verb):
            return await self._act(action, names, wait="--no-block" not in flags)
        if verb in ("enable", "disable"):
            return await self._enable(verb, names, now="--now" in flags)
        questions: dict[str, Callable[[], Reply]] = {
            **{v: lambda: self._ask(verb, names, quiet=bool(flags & QUIET)) for v in ASKS},
            "daemon-reload": self._daemon_reload,
            "reset-failed": lambda: self._reset(names),
            "status": lambda: self._status(names),
            "show": lambda: self._show(words, flags),
            "cat": lambda: Reply(stdout="".join(_file(name).read_text() for name in names)),
        }
        return questions[verb]() if verb in questions else _refused(f"systemctl {verb}")

    def _actions(self) -> dict[str, Callable[[str], Awaitable[None]]]:
        return {
            "start": self._start,
            "stop": self._stop,
            "restart": self._restart,
            "try-restart": self._try_restart,
            "reload": self._reload,
            "reload-or-restart": self._restart,
        }

    async def _act(
        self, action: Callable[[str], Awaitable[None]], names: list[str], *, wait: bool
    ) -> Reply:
        jobs = asyncio.gather(*(action(name) for name in names))
        if wait:
            await jobs
        else:
            self._background.add(jobs)
            jobs.add_done_callback(self._finish)
        return Reply()

    def _reset(self, names: list[str]) -> Reply:
        for name in names or list(self._services):
            self._service(name).reset()
        return Reply()

    def _finish(self, jobs: asyncio.Future[list[None]]) -> None:
        self._background.discard(jobs)
        if not jobs.cancelled() and (error := jobs.exception()):
            print(f"in the background: {error}", flush=True)

    async def _start(self, name: str) -> None:
        service = self._service(name)
        for needed in service.unit.requires + service.unit.wants:
            if needed.endswith(".service") and _exists(needed):
                await self._service(needed).start()
        await service.start()

    async def _stop(self, name: str) -> None:
        await self._service(name).stop()

    async def _restart(self, name: str) -> None:
        service = self._service(name)
        dependents = [
            other
            for other in self._services.values()
            if name in other.unit.requires and other.state == "active"
        ]
        await service.stop()
        for other in dependents:
            await other.stop()
        await self._start(name)
        for other in dependents:
            await other.start()

    async def _try_restart(self, name: str) -> None:
        if self._service(name).state == "active":
            await self._restart(name)

    async def _reload(self, name: str) -> None:
        await self._service(name).reload()

    async def _enable(self, verb: str, names: list[str], *, now: bool) -> Reply:
        lines = []
        for name in names:
            link = WANTS / name
            if verb == "enable" and not link.is_symlink():
                if not self._service(name).unit.wanted_by:
                    return Reply(1, stderr=f"The unit files have no installation config: {name}\n")
                WANTS.mkdir(parents=True, exist_ok=True)
                link.symlink_to(_file(name))
                lines.append(f"Created symlink {link} → {_file(name)}.\n")
            if verb == "disable" and link.is_symlink():
                link.unlink()
                lines.append(f"Removed {link}.\n")
            if now:
                await (self._start(name) if verb == "enable" else self._stop(name))
        return Reply(stderr="".join(lines))

    def _ask(self, verb: str, names: list[str], *, quiet: bool) -> Reply:
        answers = []
        for name in names:
            if verb == "is-enabled":
                answers.append("enabled" if (WANTS / name).is_symlink() else "disabled")
            else:
                answers.append(self._service(name).state if _exists(name) else "inactive")
        wanted = {"is-active": "active", "is-failed": "failed", "is-enabled": "enabled"}[verb]
        failure = 1 if verb != "is-active" else 3
        code = 0 if wanted in answers else failure
        return Reply(code, stdout="" if quiet else "".join(f"{a}\n" for a in answers))

    def _daemon_reload(self) -> Reply:
        for name, service in self._services.items():
            if _exists(name):
                self._texts[name] = _file(name).read_text()
                service.unit = parse(name, self._texts[name])
        return Reply()

    def _status(self, names: list[str]) -> Reply:
        lines, code = [], 0
        for name in names:
            service = self._service(name)
            main = f" (main process {service.main.pid})" if service.main else ""
            lines.append(f"{name}: {service.state}{main} {service.result}\n")
            log = LOGS / f"{name}.log"
            if log.exists():
                lines += [f"    {line}\n" for line in log.read_text().splitlines()[-10:]]
            code = code or (0 if service.state == "active" else 3)
        return Reply(code, stdout="".join(lines))

    def _show(self, words: list[str], flags: set[str]) -> Reply:
        wanted = [flag.partition("=")[2] for flag in flags if flag.startswith(PROPERTY)]
        if "-p" in flags:
            wanted += [word for word in words if word[0].isupper()]
        names = [_full(word) for word in words if not word[0].isupper()]
        out = []
        for name in names:
            service = self._service(name) if _exists(name) else None
            properties = {
                "ActiveState": service.state if service else "inactive",
                "SubState": "running" if service and service.main else "dead",
                "LoadState": "loaded" if service else "not-found",
                "UnitFileState": "enabled" if (WANTS / name).is_symlink() else "disabled",
                "MainPID": str(service.main.pid if service and service.main else 0),
                "NRestarts": str(service.restarts if service else 0),
                "Result": (service.result if service else "") or "success",
                "NeedDaemonReload": "yes" if self._changed(name) else "no",
            }
            for key in (
                (k for names_ in wanted for k in names_.split(",")) if wanted else properties
            ):
                if key not in properties:
                    return _refused(f"systemctl show -p {key}")
                out.append(f"{'' if '--value' in flags else key + '='}{properties[key]}\n")
        return Reply(stdout="".join(out))

    def _service(self, name: str) -> Service:
        if name not in self._services:
            text = _file(name).read_text()
            self._texts[name] = text
            self._services[name] = Service(parse(name, text), self._nursery)
        return self._services[name]

    def _changed(self, name: str) -> bool:
        return _exists(name) and self._texts.get(name) not in (None, _file(name).read_text())

    def _enabled(self) -> list[str]:
        return sorted(link.name for link in WANTS.glob("*.service")) if WANTS.exists() else []

    def _write_down(self, argv: list[str]) -> None:
        LOGS.mkdir(parents=True, exist_ok=True)
        with (LOGS / "systemctl.jsonl").open("a") as log:
            log.write(json.dumps({"time": time.time(), "argv": argv}) + "\n")


def _ordered(units: list[Unit]) -> list[str]:
    """Names so that each comes after those that it names in After= or Requires=."""
    left, done = {unit.name: unit for unit in units}, list[str]()
    while left:
        free = [n for n, u in left.items() if not (set(u.after) | set(u.requires)) & set(left)]
        for name in free or list(left):
            done.append(name)
            del left[name]
    return done


def _full(name: str) -> str:
    name = "ssh.service" if name in ("sshd", "sshd.service") else name
    return name if "." in name.lstrip(".") else f"{name}.service"


def _file(name: str) -> Path:
    for folder in FOLDERS:
        file = Path(folder) / name
        if file.is_file():
            return file
    raise FileNotFoundError(name)


def _exists(name: str) -> bool:
    return any((Path(folder) / name).is_file() for folder in FOLDERS)


def _refused(what: str) -> Reply:
    return Reply(64, stderr=f"{what}: the rehearsal's systemctl does not know this\n")
