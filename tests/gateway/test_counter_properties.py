"""Whatever several gateways do in whatever order: never more is committed than the caps allow."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from moto import mock_aws

from provision.gateway.counter import GRACE_S, Hold, Priority, day_of, limit
from provision.gateway.settings import Caps
from provision.gateway.table import Table, client
from tests.gateway.test_counter import HOLD_S, NOW, make_table

CAPS = Caps("spend", daily=100, monthly=250, open_when_unknown=False, allowance=0)


class Gateways(RuleBasedStateMachine):
    """Three gateways on one counter; a model of what each owes keeps the books beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.aws = mock_aws()
        self.aws.start()
        dynamodb = client("dynamodb", "us-east-1", None)
        make_table(dynamodb)
        self.tables = [Table(dynamodb, CAPS, HOLD_S, self._hear) for _ in range(3)]
        self.now = NOW
        self.open: list[Hold] = []
        self.lost: list[Hold] = []
        self.spent: dict[str, int] = {}
        self.news: list[tuple[str, str, int]] = []

    def _hear(self, cap: str, percent: int, spend: Any) -> None:
        self.news.append((spend.day if cap == "daily" else spend.day[:7], cap, percent))

    def teardown(self) -> None:
        self.aws.stop()

    def _committed(self, prefix: str) -> int:
        holds = sum(hold.micro for hold in self.open + self.lost if hold.day.startswith(prefix))
        return holds + sum(usd for day, usd in self.spent.items() if day.startswith(prefix))

    @rule(who=st.integers(0, 2), micro=st.integers(1, 60), priority=st.sampled_from(Priority))
    def reserve(self, who: int, micro: int, priority: Priority) -> None:
        """Granted exactly when it fits, under the key's own share of both caps."""
        day = day_of(self.now)
        fits = (
            self._committed(day) + micro <= limit(CAPS.daily, priority)
            and self._committed(day[:7]) + micro <= limit(CAPS.monthly or 0, priority)
        )  # fmt: skip
        hold = self.tables[who].reserve(micro, priority, self.now)
        assert (hold is not None) == fits
        if hold is not None:
            self.open.append(hold)

    @precondition(lambda self: self.open)
    @rule(who=st.integers(0, 2), data=st.data())
    def settle(self, who: int, data: st.DataObject) -> None:
        """With anything up to what was reserved: 0 is a failure."""
        hold = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        micro = data.draw(st.integers(0, hold.micro))
        self.tables[who].settle(hold, micro, self.now)
        self.spent[hold.day] = self.spent.get(hold.day, 0) + micro

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        """An owner goes, and its reservation stays."""
        self.lost.append(self.open.pop(data.draw(st.integers(0, len(self.open) - 1))))

    @rule(seconds=st.sampled_from([1, HOLD_S // 2, 86_400]))
    def wait(self, seconds: int) -> None:
        """Time goes on. No request is open longer than its reservation: see Settings.answer_s."""
        soonest = min((hold.expires for hold in self.open), default=None)
        if soonest is None or self.now + seconds < soonest:
            self.now += seconds

    @rule(who=st.integers(0, 2))
    def sweep(self, who: int) -> None:
        """Gives back what dead owners held, and nothing else."""
        recent = {day_of(self.now)[:7], day_of(self.now - HOLD_S - 86_400)[:7]}
        expired = [
            hold
            for hold in self.lost
            if hold.expires + GRACE_S < self.now and hold.day[:7] in recent
        ]
        assert self.tables[who].give_back_expired(self.now) == len(expired)
        self.lost = [hold for hold in self.lost if hold not in expired]

    @invariant()
    def the_books_agree(self) -> None:
        """The counter says what the model says, and no cap is exceeded."""
        day = day_of(self.now)
        spend = self.tables[0].spend(day)
        assert spend.committed_day == self._committed(day) <= CAPS.daily
        assert spend.committed_month == self._committed(day[:7]) <= (CAPS.monthly or 0)
        assert spend.spent_day == self.spent.get(day, 0)
        assert len(self.news) == len(set(self.news))


TestGateways = Gateways.TestCase
TestGateways.settings = settings(max_examples=20, stateful_step_count=25, deadline=None)
