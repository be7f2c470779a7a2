"""What a host does when AWS takes it away, decided without a host."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.agent.farewell import (
    SETTLE_S,
    SPOT_S,
    TAKEN,
    UNTOLD_S,
    Act,
    Farewell,
    done,
    empty_for_s,
    grace_s,
    next_act,
    notice,
)

NOW = 1_795_230_000.0  # 2026-11-21T03:00:00Z
IN_TWO_MINUTES = '{"action": "terminate", "time": "2026-11-21T03:02:00Z"}'
HEARTBEAT_S = 390.0


def look(
    farewell: Farewell | None = None,
    *,
    spot: str | None = None,
    target: str | None = "InService",
    now: float = NOW,
) -> Farewell | None:
    return notice(farewell, spot=spot, target=target, heartbeat_s=HEARTBEAT_S, now=now)


def begun(*, spot: str | None = None, target: str | None = None) -> Farewell:
    farewell = look(spot=spot, target=target)
    assert farewell is not None
    return farewell


class TestNotice:
    @pytest.mark.parametrize("target", ["InService", "Standby", "Detached", "", None])
    def test_nobody_wants_the_host(self, target: str | None) -> None:
        """No notice, no farewell, whatever else the group does with the host."""
        assert look(target=target) is None

    def test_a_spot_notice_says_until_when(self) -> None:
        """Two minutes, and nobody holds the end back."""
        farewell = begun(spot=IN_TWO_MINUTES)
        assert (farewell.until, farewell.hooked) == (NOW + 120, False)
        assert farewell.words(NOW + 30) == "leaving: spot notice, 90 s left"
        assert farewell.words(NOW + 121) == "leaving: spot notice"

    def test_the_group_waits_as_long_as_its_hook_says(self) -> None:
        """And until it is told to go on."""
        farewell = begun(target=TAKEN)
        assert (farewell.until, farewell.hooked) == (NOW + HEARTBEAT_S, True)
        assert farewell.words(NOW) == "leaving: the Auto Scaling group ends it, 390 s left"

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "null",
            "[]",
            '{"action": "terminate"}',
            '{"time": "soon"}',
            '{"time": "2026-11-21T02:58:00Z"}',  # by a clock that is wrong
            '{"time": "2026-11-21T09:00:00Z"}',
        ],
    )
    def test_a_time_that_cannot_be(self, text: str) -> None:
        """A notice is a notice: two minutes, as always."""
        assert begun(spot=text).until == NOW + SPOT_S

    @pytest.mark.parametrize("text", ["2026-11-21T03:02:00+00:00", "2026-11-21T03:02:00"])
    def test_other_spellings_of_the_time(self, text: str) -> None:
        """UTC in each of them."""
        assert begun(spot=f'{{"time": "{text}"}}').until == NOW + 120

    def test_the_same_notice_changes_nothing(self) -> None:
        """It is read again every five seconds."""
        for farewell in (begun(spot=IN_TWO_MINUTES), begun(target=TAKEN)):
            again = look(
                farewell,
                spot=IN_TWO_MINUTES if not farewell.hooked else None,
                target=TAKEN if farewell.hooked else None,
                now=NOW + 60,
            )
            assert again == farewell

    def test_a_spot_notice_shortens_the_groups_time(self) -> None:
        """And the group is told all the same."""
        farewell = look(begun(target=TAKEN), spot=IN_TWO_MINUTES, target=TAKEN, now=NOW)
        assert farewell is not None
        assert (farewell.until, farewell.hooked) == (NOW + 120, True)

    def test_the_group_does_not_prolong_a_spot_notice(self) -> None:
        """EC2 takes the host, whatever the group's hook says."""
        farewell = look(begun(spot=IN_TWO_MINUTES), spot=IN_TWO_MINUTES, target=TAKEN, now=NOW + 9)
        assert farewell is not None
        assert (farewell.until, farewell.hooked, farewell.since) == (NOW + 120, True, NOW)


class TestOrder:
    def test_the_same_drain_as_a_rollout_then_the_group_goes_on(self) -> None:
        """Out of traffic before an engine is told anything; the word to the group is the last."""
        assert _acts(begun(target=TAKEN)) == [
            Act.LEAVE_TRAFFIC,
            Act.SETTLE,
            Act.EMPTY,
            Act.STOP,
            Act.TELL,
            Act.REST,
        ]

    def test_a_spot_notice_has_nobody_to_tell(self) -> None:
        """The host stops its engines and waits for the end."""
        assert _acts(begun(spot=IN_TWO_MINUTES))[-2:] == [Act.STOP, Act.REST]

    def test_a_load_balancer_that_cannot_be_told(self) -> None:
        """Its checks fail within half a minute: from then on it counts as told."""
        farewell = begun(target=TAKEN)
        assert next_act(farewell, NOW + UNTOLD_S - 1) is Act.LEAVE_TRAFFIC
        assert next_act(farewell, NOW + UNTOLD_S) is Act.EMPTY

    def test_it_still_sends_for_some_seconds(self) -> None:
        """Nothing is counted as empty before that."""
        farewell = done(begun(target=TAKEN), Act.LEAVE_TRAFFIC, NOW)
        assert next_act(farewell, NOW + SETTLE_S - 1) is Act.SETTLE
        assert next_act(farewell, NOW + SETTLE_S) is Act.EMPTY

    def test_a_quarter_of_the_time_is_for_stopping(self) -> None:
        """What still runs then is given to the engine's own polite end."""
        farewell = done(begun(spot=IN_TWO_MINUTES), Act.LEAVE_TRAFFIC, NOW)
        assert empty_for_s(farewell, NOW + 20) == 70.0
        assert next_act(farewell, NOW + 89) is Act.EMPTY
        assert next_act(farewell, NOW + 91) is Act.STOP
        assert grace_s(farewell, 150.0, NOW + 91) == 19.0

    def test_time_that_is_over(self) -> None:
        """Nothing is begun that can't end; the group is told even then."""
        assert next_act(begun(spot=IN_TWO_MINUTES), NOW + 120) is Act.REST
        assert next_act(begun(target=TAKEN), NOW + HEARTBEAT_S) is Act.TELL

    def test_a_release_with_short_answers_gets_no_more_than_it_wants(self) -> None:
        """The grace of its own timeout chain."""
        assert grace_s(begun(target=TAKEN), 60.0, NOW) == 60.0
        assert grace_s(begun(target=TAKEN), 60.0, NOW + HEARTBEAT_S + 100) == 1.0


LOOKS = st.tuples(
    st.floats(0.0, 30.0),  # seconds since the look before
    st.booleans(),  # a spot notice stands
    st.booleans(),  # the group takes the host away
    st.booleans(),  # what is tried now succeeds
)


@given(st.lists(LOOKS, min_size=1, max_size=60))
def test_whatever_happens_the_order_holds(looks: list[tuple[float, bool, bool, bool]]) -> None:
    """A farewell is never taken back, its end never moves away, and its steps keep their order:
    no engine is stopped in traffic unless the time is up, and nothing follows the last word."""
    farewell: Farewell | None = None
    now = NOW
    for pause, spot, taken, succeeds in looks:
        now += pause
        before = farewell
        farewell = look(
            farewell,
            spot=IN_TWO_MINUTES if spot else None,
            target=TAKEN if taken else "InService",
            now=now,
        )
        assert (farewell is None) == (before is None and not spot and not taken)
        if farewell is None:
            continue
        if before is not None:
            assert farewell.until <= before.until
            assert farewell.since == before.since
            assert farewell.hooked or not before.hooked
        act = next_act(farewell, now)
        if act is Act.STOP:
            assert (
                farewell.out_at is not None
                or now >= farewell.since + UNTOLD_S
                or _late(farewell, now)
            )
            assert farewell.empty_at is not None or _late(farewell, now)
        if act is Act.TELL:
            assert farewell.hooked
            assert farewell.stopped_at is not None or now >= farewell.until
        if act is Act.REST:
            assert farewell.told_at is not None or not farewell.hooked
        if succeeds:
            farewell = done(farewell, act, now)


def _late(farewell: Farewell, now: float) -> bool:
    return empty_for_s(farewell, now) == 0.0


def _acts(farewell: Farewell) -> list[Act]:
    """What is done when all goes well, a second a turn, each once."""
    acts: list[Act] = []
    now = NOW
    while not acts or acts[-1] is not Act.REST:
        act = next_act(farewell, now)
        if not acts or acts[-1] is not act:
            acts.append(act)
        farewell = done(farewell, act, now)
        now += 1
    return acts
