"""The script that shows a host's logs, run by a real shell over a stub of docker."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from provision.commands.logs import logs, seconds_of
from provision.errors import UsageError

DOCKER = """#!/bin/sh
case "$1" in
  ps) printf 'llm-fleet-front\\nllm-fleet-engine-0\\n' ;;
  logs) echo "asked: $*"; echo "on stderr" >&2 ;;
esac
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A PATH whose docker is the stub."""
    stub = tmp_path / "docker"
    stub.write_text(DOCKER)
    stub.chmod(0o755)
    return f"{tmp_path}:/usr/bin:/bin"


def test_every_line_names_its_source(path: str) -> None:
    """Containers in order of their names, both of their streams, with the limits asked for."""
    command = logs(since="10m", lines=7)
    done = subprocess.run(
        command.shell(), shell=True, env={"PATH": path}, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[:4] == [
        "engine-0 | asked: logs --since 600s --tail 7 llm-fleet-engine-0",
        "engine-0 | on stderr",
        "front | asked: logs --since 600s --tail 7 llm-fleet-front",
        "front | on stderr",
    ]


def test_following_ends_with_its_sources(path: str) -> None:
    """``docker logs --follow`` of each container; the script leaves nothing running."""
    command = logs(lines=3, follow=True)
    text = command.shell().replace("/run/llm-fleet", "/nowhere")
    done = subprocess.run(
        text,
        shell=True,
        env={"PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
        start_new_session=True,
    )
    assert sorted(done.stdout.splitlines())[0] == (
        "engine-0 | asked: logs --tail 3 --follow llm-fleet-engine-0"
    )


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10m", 600), ("2h", 7200)])
def test_times(text: str, seconds: int) -> None:
    """Seconds, minutes, hours and days."""
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["10", "m", "-5m", "10 m", "1w"])
def test_what_is_no_time_is_refused(text: str) -> None:
    """With the spellings that are."""
    with pytest.raises(UsageError, match="is not a time"):
        logs(since=text)
