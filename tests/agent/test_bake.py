"""A host is watched after it came back: whatever goes wrong then ends the bake."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from provision.agent.bake import Limits, bake, bake_on, limits_of
from provision.agent.before import Before
from provision.agent.errors import AgentError
from provision.agent.events import Events
from provision.agent.last_good import LastGood, Proof
from provision.agent.metrics import Served
from provision.agent.paths import Paths
from provision.agent.settings import AgentSettings
from tests.agent.conftest import AGENT_JSON
from tests.agent.fakes import FakeClock

RELEASE = "r-0123456789ab"
LAYOUT = "mistral-7b, 1 engine(s) of 1 GPU(s)"
BEFORE = Served(answered=200, first_tokens=200, first_tokens_s=60.0)  # 0.3 s each


def served(answers: float = 0, *, first_token_s: float = 0.3, **more: float) -> dict[str, float]:
    """Counters of an engine that answered so often."""
    tokens = {"first_tokens": answers, "first_tokens_s": answers * first_token_s}
    return Served(**{"answered": answers, **tokens, **more}).to_json()


def replica(counters: dict[str, float] | None = None, **more: Any) -> dict[str, Any]:
    start = {"restarts": 0, "started_at": "2026-11-21T03:00:00Z", "first_token_s": 0.04}
    return {**start, "served": counters, **more}


def status(*replicas: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "release": RELEASE,
        "ready_for": RELEASE,
        "reason": "",
        "replicas": list(replicas) or [replica(served())],
        "log": ["the engine's last line"],
        **more,
    }


def baked(
    *answers: dict[str, Any] | None, seconds: float = 30.0, limits: Limits | None = None
) -> list[dict[str, Any]]:
    """Bake over answers that come one a second (the last one stays); what was said."""
    looks, clock, stream = list(answers), FakeClock(), io.StringIO()
    bake(
        RELEASE,
        seconds,
        limits=limits or Limits(),
        ask=lambda: looks.pop(0) if len(looks) > 1 else looks[0],
        clock=clock,
        events=Events(clock, stream=stream, file=None),
    )
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_stays_for_the_whole_time() -> None:
    """And says so at the end, with what clients got."""
    (event,) = baked(status(), status(replica(served(40))))
    assert (event["event"], event["release"], event["seconds"]) == ("baked", RELEASE, 30.0)
    assert (event["answers"], event["errors"], event["first_token_s"]) == (40, 0, 0.3)


def test_an_engine_that_says_nothing_of_itself_is_unknown() -> None:
    """Not without errors: unknown."""
    (event,) = baked(status(replica(served()), replica(None)))
    assert (event["answers"], event["errors"], event["first_token_s"]) == (None, None, None)


@pytest.mark.parametrize(
    ("then", "reason"),
    [
        (
            status(ready_for=None, reason="replica 0 is hung"),
            "not ready any more: replica 0 is hung, after 2 s",
        ),
        (status(release="r-other"), f"the host runs release r-other, not {RELEASE}, after 2 s"),
        (status(replica(served(), restarts=1)), "an engine restarted after 2 s"),
        (status(replica(served(), started_at="later")), "an engine restarted after 2 s"),
    ],
    ids=["not-ready", "another-release", "restarted", "restarted-by-the-agent"],
)
def test_the_first_sign_of_trouble_ends_it(then: dict[str, Any], reason: str) -> None:
    """With the engine's last lines."""
    with pytest.raises(AgentError) as raised:
        baked(status(), status(), then)
    assert raised.value.reason == reason
    assert list(raised.value.log) == ["the engine's last line"]


def test_an_agent_may_be_silent_for_a_moment() -> None:
    """It becomes another process when a release brings another program; 15 s are too long."""
    assert baked(status(), *[None] * 10, status())
    with pytest.raises(AgentError, match="says nothing for 15 s"):
        baked(status(), None)
    with pytest.raises(AgentError, match="says nothing for 15 s"):
        baked(None, seconds=5.0)


class TestErrors:
    def test_more_than_the_share_that_is_allowed_ends_it(self) -> None:
        """With the counts, at once."""
        with pytest.raises(AgentError) as raised:
            baked(status(), status(), status(replica(served(57, failed=3))))
        assert raised.value.reason == (
            "3 of 60 questions were answered with an error (5.0%, allowed are 2.0%) after 2 s"
        )

    def test_errors_of_all_engines_count_together(self) -> None:
        """And only those of the bake itself."""
        first = status(replica(served(100, failed=50)), replica(served(10)))
        then = status(replica(served(110, failed=51)), replica(served(20, broken=1)))
        with pytest.raises(AgentError, match="2 of 22 questions were answered with an error"):
            baked(first, then)

    @pytest.mark.parametrize(
        "fine",
        [
            served(1, failed=1),
            served(500, failed=10),
            served(10, failed=400, refused=400),
            served(10, failed=400, refused=420),
        ],
        ids=["one-may-be-anything", "within-the-share", "full", "full-and-many-prompts"],
    )
    def test_what_is_no_reason(self, fine: dict[str, float]) -> None:
        """One error, few among many, and a queue that is full."""
        assert baked(status(), status(replica(fine)))


class TestLatency:
    LIMITS = Limits(slowdown=3.0, before=BEFORE)

    def test_first_tokens_that_come_later_than_before_end_it(self) -> None:
        """At the end, from the mean of the whole bake, with both numbers."""
        slow = status(replica(served(50, first_token_s=1.0)))
        with pytest.raises(AgentError) as raised:
            baked(status(), slow, limits=self.LIMITS)
        assert raised.value.reason == (
            "the first token took 1.00 s on average of 50 answers; before, it was 0.30 s on "
            "average of 200, and allowed are 0.90 s after 30 s"
        )

    @pytest.mark.parametrize(
        ("answers", "first_token_s", "limits"),
        [
            (50, 0.85, LIMITS),
            (19, 9.0, LIMITS),
            (50, 9.0, Limits(slowdown=None, before=BEFORE)),
            (50, 9.0, Limits(slowdown=3.0, before=None)),
            (50, 9.0, Limits(slowdown=3.0, before=Served(first_tokens=19, first_tokens_s=1))),
            (50, 0.2, Limits(slowdown=3.0, before=Served(first_tokens=99, first_tokens_s=1))),
        ],
        ids=["within", "few-answers", "off", "unknown-before", "few-before", "noise"],
    )
    def test_what_is_no_reason(self, answers: float, first_token_s: float, limits: Limits) -> None:
        """Twenty answers on both sides say something; a quarter of a second is noise."""
        then = status(replica(served(answers, first_token_s=first_token_s)))
        assert baked(status(), then, limits=limits)


class TestOnAHost:
    @pytest.fixture
    def paths(self, tmp_path: Path) -> Paths:
        paths = Paths(tmp_path)
        folder = paths.release(RELEASE)
        folder.mkdir(parents=True)
        warmup = {**AGENT_JSON["warmup"], "slowdown": 3.0}  # type: ignore[dict-item]
        document = {**AGENT_JSON, "layout": LAYOUT, "warmup": warmup}
        (folder / "agent.json").write_text(json.dumps(document))
        return paths

    def bake(self, paths: Paths, *looks: dict[str, Any]) -> None:
        clock, answers = FakeClock(), list(looks)
        bake_on(
            paths,
            RELEASE,
            5.0,
            ask=lambda: answers.pop(0) if len(answers) > 1 else answers[0],
            clock=clock,
            events=Events(clock, stream=None, file=None),
        )

    def test_the_release_becomes_the_one_to_measure_by(self, paths: Paths) -> None:
        """By the slowest of its engines; what was served before is compared once."""
        Before(paths.before).note(1.0, LAYOUT, 0, BEFORE)
        other = replica(served(), first_token_s=0.06)
        self.bake(paths, status(replica(served()), other))
        at = FakeClock().now() + 5
        assert LastGood(paths.last_good).proof(LAYOUT) == Proof(RELEASE, LAYOUT, 0.06, at)
        assert not paths.before.exists()

    def test_one_that_failed_does_not(self, paths: Paths) -> None:
        """The measure stays what it was."""
        Before(paths.before).note(1.0, LAYOUT, 0, BEFORE)
        with pytest.raises(AgentError, match="on average of 200"):
            self.bake(paths, status(), status(replica(served(50, first_token_s=1.0))))
        assert LastGood(paths.last_good).proof(LAYOUT) is None

    def test_an_unknown_first_token_is_no_measure(self, paths: Paths) -> None:
        """An agent of an older release does not say it."""
        self.bake(paths, status(replica(served(), first_token_s=None)))
        assert LastGood(paths.last_good).proof(LAYOUT) is None


def test_before_counts_only_when_all_engines_are_known() -> None:
    """Half a host is not slower or faster than a whole one."""
    two = [{"index": 0, "port": 8001}, {"index": 1, "port": 8002}]
    settings = AgentSettings.parse({**AGENT_JSON, "replicas": two})
    assert limits_of(settings, {0: BEFORE}, [0, 1]).before is None
    assert limits_of(settings, {0: BEFORE, 1: BEFORE}, [0, 1]).before == BEFORE.plus(BEFORE)
    assert limits_of(settings, {1: BEFORE}, [1]).before == BEFORE
