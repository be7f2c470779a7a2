"""Docker's own words, and what to do about them."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.agent.docker import Docker, hint_for
from provision.agent.errors import DockerError
from provision.agent.system import NOT_FOUND, TIMED_OUT, Completed, run
from tests.agent.fakes import FakeMachine

NO_GPU = """\
Creating network "llm-fleet_fleet" with driver "bridge"
ERROR: for engine-0  Cannot start service engine-0: could not select device driver "nvidia" with \
capabilities: [[gpu]]
Encountered errors while bringing up the project.
"""


def test_compose_is_quoted_where_it_says_what_is_wrong() -> None:
    """Its last line never does."""
    machine = FakeMachine(fail={"docker-compose --project-name": Completed(1, err=NO_GPU)})
    with pytest.raises(DockerError, match="could not select device driver") as caught:
        Docker(machine.run).up(Path("/opt/llm-fleet/releases/r-1"))
    assert "fab setup" in caught.value.hint
    assert len(caught.value.log) == 3


@pytest.mark.parametrize(
    ("code", "text", "hint"),
    [
        (TIMED_OUT, "no answer within 30 s", "is the Docker daemon stuck"),
        (NOT_FOUND, "docker: not found", "fab setup"),
        (1, "Cannot connect to the Docker daemon at unix:///var/run", "systemctl start docker"),
        (1, "write /var/lib/docker: no space left on device", "docker image prune"),
        (1, "something new", ""),
    ],
)
def test_known_words_have_a_next_step(code: int, text: str, hint: str) -> None:
    """Unknown ones have none, rather than a wrong one."""
    said = hint_for(code, text)
    assert hint in said
    assert bool(hint) == bool(said)


class TestRun:
    def test_a_command_that_is_not_there(self) -> None:
        """An answer, not an exception."""
        assert run(["llm-fleet-nope"], timeout_s=5).code == NOT_FOUND

    def test_a_command_that_takes_too_long(self) -> None:
        """Ended, with the time it had."""
        done = run(["sleep", "60"], timeout_s=0.05)
        assert (done.code, done.err) == (TIMED_OUT, "no answer within 0 s")

    def test_input_output_and_exit_code(self) -> None:
        """As the command gave them."""
        done = run(["sh", "-c", "cat; echo wrong >&2; exit 3"], timeout_s=5, stdin="right")
        assert done == Completed(3, "right", "wrong\n")
