"""Answers are counted from the front's own words, by tier, status and reason."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.agent.errors import AgentError
from provision.agent.front_log import Answer, parse
from provision.agent.paths import Paths
from provision.agent.traffic import Traffic, keep_counting, listen, since
from provision.render.front import Spill
from tests.render.stubs import Engine, Front, running_front, wait_until

LINE = (
    b'<190>Nov 28 07:42:00 front: {"tier":"%s","status":%d,"spill":"%s","probe":"%s",'
    b'"seconds":0.031,"first_byte_seconds":"0.030"}'
)


def line(tier: str = "primary", status: int = 200, spill: str = "", probe: str = "") -> bytes:
    return LINE % (tier.encode(), status, spill.encode(), probe.encode())


class TestParse:
    def test_an_answer(self) -> None:
        """What follows on the head that syslog has."""
        assert parse(line("hosted", 200, "full")) == Answer("hosted", 200, "full")
        assert parse(line(probe="1")) == Answer("primary", 200, probe=True)

    @pytest.mark.parametrize(
        "datagram",
        [b"", b"<190>Nov 28 07:42:00 front: ", b"{}", b'{"tier":', b"\xff{", line(status=700)],
    )
    def test_what_is_not_the_fronts(self, datagram: bytes) -> None:
        """Is no answer, and no error either."""
        assert parse(datagram) is None

    @given(st.binary(max_size=200))
    def test_nothing_breaks_it(self, datagram: bytes) -> None:
        """Anybody on the host may write to the socket."""
        assert parse(datagram) is None or parse(datagram)

    def test_words_of_its_own_are_other(self) -> None:
        """What becomes a label must not grow without bound."""
        assert parse(line("mine", spill="a b")) == Answer("other", 200, "other")


ANSWERS = st.builds(
    line,
    st.sampled_from(["primary", "hosted", "stale", "none"]),
    st.sampled_from([200, 400, 499, 500, 503]),
    st.sampled_from(["", "full", "down"]),
    st.sampled_from(["", "1"]),
)


@given(st.lists(ANSWERS | st.just(b"noise"), max_size=60), st.integers(0, 60))
def test_what_comes_between_two_looks_is_the_difference(lines: list[bytes], at: int) -> None:
    """Whenever one looks, good answers by tier and errors add up to all that were some."""
    traffic = Traffic()
    for one in lines[:at]:
        traffic.count(one)
    before = traffic.answers()
    for one in lines[at:]:
        traffic.count(one)

    came = since(before, traffic.answers())
    real = [a for a in map(parse, lines[at:]) if a is not None and not a.probe]
    for tier in ("primary", "hosted", "stale", "none"):
        assert came.get(tier, 0) == sum(a.tier == tier and a.status < 400 for a in real)
    assert came.get("errors", 0) == sum(a.status >= 500 for a in real)
    assert traffic.unreadable == lines.count(b"noise")


def test_a_second_agent_takes_the_socket_over(tmp_path: Path) -> None:
    """One that was killed left it there; the sign comes last."""
    paths = Paths(tmp_path)
    listen(paths).close()
    assert paths.counting.exists()
    with listen(paths):
        assert paths.answers.is_socket()


def test_a_folder_that_can_not_be_written_is_said(tmp_path: Path) -> None:
    """With what becomes of the counts."""
    (tmp_path / "run").write_text("")
    with pytest.raises(AgentError, match="can't listen") as caught:
        listen(Paths(tmp_path))
    assert "not counted" in caught.value.hint


@contextmanager
def counting(front: Front) -> Iterator[Traffic]:
    """The agent's own listener, at the place where this front writes."""

    class Here(Paths):
        run = front.scratch

    traffic, server = Traffic(), listen(Here())
    threading.Thread(target=keep_counting, args=(server, traffic), daemon=True).start()
    yield traffic


def test_a_real_front_is_heard() -> None:
    """nginx, with a gateway behind it: what it answered is what was counted."""
    gateway = Engine()
    gateway.script.headers = {"x-llm-tier": "hosted"}
    with running_front(spill=Spill(gateway.address)) as front, counting(front) as traffic:
        for _ in range(20):
            front.ask()
        front.ask(None)
        front.ask(**{"x-llm-probe": "1"})
        front.engine.script.status = 503
        for _ in range(5):
            front.ask()
        wait_until(lambda: sum(traffic.answers().values()) == 26)

    assert traffic.answers() == {
        ("primary", 200, ""): 20,
        ("primary", 401, ""): 1,
        ("hosted", 200, "full"): 5,
    }
    assert (traffic.probes, traffic.unreadable) == (1, 0)
    gateway.stop()
