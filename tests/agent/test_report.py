"""Who is left out and whether the host serves: one answer cannot contradict the other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from provision.agent.maintenance import Mark
from provision.agent.metrics import Metrics
from provision.agent.report import ReplicaReport, left_out, may_serve, readiness
from provision.agent.supervise import Phase, State

NOW = 10_000.0
FRESH_S = 60.0

HOSTS = st.lists(
    st.tuples(
        st.sampled_from(Phase),
        st.sampled_from([None, NOW - 5, NOW - 500]),  # the last good canary
        st.booleans(),  # known
        st.booleans(),  # away
        st.booleans(),  # changing
    ),
    min_size=1,
    max_size=8,
).map(lambda states: [report(index, *state) for index, state in enumerate(states)])


def report(
    index: int,
    phase: Phase = Phase.READY,
    last_good: float | None = NOW - 5,
    known: bool = True,
    away: bool = False,
    changing: bool = False,
) -> ReplicaReport:
    return ReplicaReport(
        index=index,
        release="r-one",
        fresh_s=FRESH_S,
        state=State(phase=phase, last_good=last_good),
        metrics=Metrics(),
        started_at=None,
        uptime_s=None,
        restarts=0,
        start_up={},
        kv_cache_tokens=None,
        log=(),
        known=known,
        away=Mark(NOW - 1, NOW + 1, "a rollout") if away else None,
        changing=changing,
    )


@given(HOSTS, st.sets(st.integers(0, 7)))
def test_a_host_that_serves_has_somebody_to_send_to(
    host: list[ReplicaReport], before: set[int]
) -> None:
    """And whoever it sends to is ready, or not looked at yet by an agent that just started."""
    out = left_out(host, before, NOW)
    serves, _ = may_serve(host, leaves_out=True, problem="", now=NOW)
    sent_to = [one for one in host if one.index not in out]
    for one in sent_to:
        assert one.away is None
        assert not one.known or not one.problem(NOW)
    known_and_ready = [one for one in host if one.away is None and not one.problem(NOW)]
    if serves and all(one.known for one in host):
        assert sent_to == known_and_ready != []


@given(HOSTS)
def test_a_front_that_leaves_nobody_out_needs_all(host: list[ReplicaReport]) -> None:
    """One engine that is not ready would get requests."""
    all_ready = readiness(host, problem="", now=NOW)
    assert may_serve(host, leaves_out=False, problem="", now=NOW) == all_ready
    assert all_ready[0] is all(not one.problem(NOW) for one in host)


@given(HOSTS, st.booleans())
def test_what_holds_the_host_back_holds_all_back(
    host: list[ReplicaReport], leaves_out: bool
) -> None:
    """No client keys, an apply of everything, Docker away."""
    assert may_serve(host, leaves_out=leaves_out, problem="no keys", now=NOW) == (False, "no keys")


def test_an_engine_that_nobody_looked_at_stays_as_it_was() -> None:
    """Out or not."""
    host = [report(0), report(1, Phase.WARMING, known=False)]
    assert left_out(host, [], NOW) == frozenset()
    assert left_out(host, [1], NOW) == {1}
    assert left_out([report(0), report(1, Phase.WARMING)], [], NOW) == {1}


def test_all_are_away_one_by_one() -> None:
    """The front would have nobody to send to."""
    host = [report(0, away=True), report(1, away=True)]
    said = may_serve(host, leaves_out=True, problem="", now=NOW)
    assert said == (False, "each engine is away on purpose")
    assert may_serve([report(0, away=True), report(1)], leaves_out=True, problem="", now=NOW)[0]
