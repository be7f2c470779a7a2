"""Docker and compose, through their commands, each with a time limit."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

from provision.agent.errors import DockerError
from provision.agent.system import NOT_FOUND, TIMED_OUT, Completed, Run

PROJECT = "llm-fleet"
FRONT = "llm-fleet-front"
ENGINE_PREFIX = "llm-fleet-engine-"
_ASK_S = 30.0
_PULL_S = 3600.0
_UP_S = 300.0
_WORKING_DIR = "com.docker.compose.project.working_dir"

# What compose says last, after it said what was wrong.
_EMPTY_WORDS = ("Encountered errors while bringing up the project",)
_HINTS = {
    "could not select device driver": "run `fab setup`: Docker does not know the GPUs yet",
    "cannot connect to the docker daemon": "systemctl start docker, then see journalctl -u docker",
    "no space left on device": "docker image prune, or raise fleet.root_volume_gib",
    "port is already allocated": "docker ps shows which container has the port",
    "address already in use": "ss -ltnp shows which process has the port",
}


@dataclass(frozen=True)
class Container:
    """One container as ``docker inspect`` shows it. ``status`` is Docker's own word."""

    id: str
    name: str
    image: str
    status: str
    started_at: str
    restart_count: int
    exit_code: int
    labels: Tuple[Tuple[str, str], ...] = ()

    @property
    def running(self) -> bool:
        """Its process runs (a container that Docker is about to restart does not)."""
        return self.status == "running"

    @property
    def release_folder(self) -> Optional[str]:
        """The folder from which compose started it."""
        return dict(self.labels).get(_WORKING_DIR)


class Docker:
    """This host's Docker. Every call raises DockerError when it fails or takes too long."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._compose: Optional[Tuple[str, ...]] = None

    def containers(self, names: Sequence[str]) -> Dict[str, Container]:
        """The containers among *names* that exist, by name."""
        found: Dict[str, Container] = {}
        done = self._run(["docker", "inspect", "--type", "container", *names], timeout_s=_ASK_S)
        if not done.ok and "no such" not in done.err.lower():
            raise _error("docker inspect", done)
        for item in json.loads(done.out or "[]"):
            container = _container(item)
            found[container.name] = container
        return found

    def names(self) -> List[str]:
        """Every llm-fleet container on this host, running or not."""
        words = ["docker", "ps", "-a", "--filter", f"name=^/{PROJECT}-", "--format", "{{.Names}}"]
        return self._must(words, _ASK_S).split()

    def publishing(self, port: int) -> Optional[str]:
        """The name of the running container that publishes *port*, None when none does."""
        words = ["docker", "ps", "--filter", f"publish={port}", "--format", "{{.Names}}"]
        return next(iter(self._must(words, _ASK_S).split()), None)

    def has_image(self, image: str) -> bool:
        """The image is on this host."""
        words = ["docker", "image", "inspect", "--format", "{{.Id}}", image]
        return self._run(words, timeout_s=_ASK_S).ok

    def pull(self, image: str, *, config: Optional[Path] = None) -> None:
        """Pull *image*, with the logins of the folder *config*."""
        self._must(["docker", *_config(config), "pull", "--quiet", image], _PULL_S)

    def login(self, registry: str, password: str, *, config: Path) -> None:
        """Log in as AWS, leaving the login in the folder *config* and nowhere else."""
        words = ["docker", *_config(config), "login", "--username", "AWS", "--password-stdin"]
        done = self._run([*words, registry], timeout_s=_ASK_S, stdin=password)
        if not done.ok:
            raise _error(f"docker login {registry}", done)

    def logout(self, registry: str, *, config: Path) -> None:
        """Forget a login."""
        self._run(["docker", *_config(config), "logout", registry], timeout_s=_ASK_S)

    def build(self, target: str, dockerfile: Path, context: Path) -> None:
        """Build an image from *dockerfile*."""
        self._must(
            ["docker", "build", "--tag", target, "--file", str(dockerfile), str(context)], _PULL_S
        )

    def tag(self, source: str, target: str) -> None:
        """Give an image a second name."""
        self._must(["docker", "tag", source, target], _ASK_S)

    def remove_image(self, image: str) -> None:
        """Take a name away; layers that nothing else needs go with it."""
        self._must(["docker", "image", "rm", image], 2 * _ASK_S)

    def push(self, image: str, *, config: Path) -> None:
        """Push *image*, with the logins of the folder *config*."""
        self._must(["docker", *_config(config), "push", "--quiet", image], _PULL_S)

    def stop(self, name: str, *, grace_s: float) -> None:
        """Ask a container to end and kill it after *grace_s*; it will not restart by itself."""
        words = ["docker", "stop", "-t", f"{grace_s:.0f}", name]
        self._must(words, grace_s + _ASK_S)

    def restart(self, name: str, *, grace_s: float) -> None:
        """Stop and start a container; its restart policy stays in force."""
        self._must(["docker", "restart", "-t", f"{grace_s:.0f}", name], grace_s + 2 * _ASK_S)

    def remove(self, name: str) -> None:
        """Remove a container, running or not."""
        self._must(["docker", "rm", "-f", name], 2 * _ASK_S)

    def logs(self, name: str, *, tail: int, since: str = "") -> List[str]:
        """The last lines of a container, stdout and stderr; none when it is not there."""
        words = ["docker", "logs", "--tail", str(tail)]
        words += ["--since", since] if since else []
        done = self._run([*words, name], timeout_s=_ASK_S)
        return (done.out + done.err).splitlines() if done.ok else []

    def run_once(self, image: str, words: Sequence[str], *, gpus: bool, timeout_s: float) -> str:
        """Run a command in a new container with all GPUs and remove it; its output."""
        options = ["--rm", *(["--gpus", "all"] if gpus else []), "--entrypoint", words[0]]
        return self._must(["docker", "run", *options, image, *words[1:]], timeout_s)

    def up(self, folder: Path, *, only: str = "") -> None:
        """Start what the compose file in *folder* describes; what already runs stays.

        With *only*, that service, and nothing else is touched.
        """
        which = ["--no-deps", only] if only else ["--remove-orphans"]
        self._must([*self.compose(), *_project(folder), "up", "-d", *which], _UP_S)

    def compose(self) -> Tuple[str, ...]:
        """How compose is spelled on this host. Raises DockerError when there is none."""
        if self._compose is None:
            for words in (("docker", "compose"), ("docker-compose",)):
                if self._run([*words, "version"], timeout_s=_ASK_S).ok:
                    self._compose = words
                    break
            else:
                raise DockerError(
                    "there is no docker compose on this host", hint="run `fab setup` again"
                )
        return self._compose

    def _must(self, words: Sequence[str], timeout_s: float) -> str:
        done = self._run(list(words), timeout_s=timeout_s)
        if not done.ok:
            raise _error(" ".join(words[:3]), done)
        return done.out


def registry_of(image: str) -> str:
    """The registry's host name in an image's name, empty for Docker Hub."""
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else ""


def _project(folder: Path) -> List[str]:
    file = str(folder / "docker-compose.yml")
    return ["--project-name", PROJECT, "--project-directory", str(folder), "--file", file]


def _config(folder: Optional[Path]) -> List[str]:
    return ["--config", str(folder)] if folder else []


def _container(item: Dict[str, Any]) -> Container:
    state: Dict[str, Any] = item["State"]
    config: Dict[str, Any] = item["Config"]
    return Container(
        id=item["Id"],
        name=item["Name"].lstrip("/"),
        image=config["Image"],
        status=state["Status"],
        started_at=state["StartedAt"],
        restart_count=int(item.get("RestartCount", 0)),
        exit_code=int(state["ExitCode"]),
        labels=tuple(sorted((config.get("Labels") or {}).items())),
    )


def _error(what: str, done: Completed) -> DockerError:
    lines = [line for line in (done.err or done.out).splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(_EMPTY_WORDS)]
    last = telling[-1].strip() if telling else f"exit {done.code}"
    return DockerError(f"{what}: {last}", hint=hint_for(done.code, last), log=lines[-20:])


def hint_for(code: int, text: str) -> str:
    """The next thing to do about a docker command that ended with *code* and *text*."""
    if code == TIMED_OUT:
        return "is the Docker daemon stuck? systemctl restart docker"
    if code == NOT_FOUND:
        return "run `fab setup`"
    lowered = text.lower()
    return next((hint for words, hint in _HINTS.items() if words in lowered), "")
