"""Any order of people who take, work, sleep, die, break, come back; and answers get lost."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
)

from provision.errors import CloudError, LockHeld, LockLost
from provision.executor.journal import Journal
from provision.executor.lock_store import LockStore
from provision.planning import lock
from provision.planning.journal import Ending, Who
from provision.planning.lock import HISTORY, LOCK, State
from tests.executor.lock_room import Bucket, Laptop, answer_lost, once, take

PEOPLE = ("anna", "bob", "carol")
people = st.sampled_from(PEOPLE)


@dataclass
class Person:
    """Somebody with a laptop, who may hold the lock, or only believe so."""

    who: Who
    clock: Laptop = field(default_factory=Laptop)
    journal: Journal | None = None
    token: str = ""


class Environment(RuleBasedStateMachine):
    """One bucket, three people; what was done to hosts is remembered outside of it."""

    def __init__(self) -> None:
        super().__init__()
        self.bucket = Bucket()
        self.store = LockStore(self.bucket)
        self.people = {name: Person(Who(name, f"arn:aws:iam::1:user/{name}")) for name in PEOPLE}
        self.tokens = 0
        self.done: set[tuple[int, str]] = set()
        self.filed: dict[str, bytes] = {}
        self.newest = 0

    @rule(name=people, forgetful=st.booleans())
    def takes(self, name: str, forgetful: bool) -> None:
        """Gets it exactly when nobody alive has it; a new process forgets what it had."""
        person = self.people[name]
        if person.journal and not forgetful:
            return
        before = self.store.look()
        self.tokens += 1
        try:
            taken = take(self.bucket, person.who, token=f"t{self.tokens}")
        except LockHeld:
            assert before.state is State.HELD
            return
        except CloudError:  # its answer got lost, and it took it back
            assert self.mine(self.tokens) is False
            return
        assert before.state is not State.HELD
        assert taken.lock.epoch == self.newest + 1
        self.newest = taken.lock.epoch
        person.token = taken.lock.token
        person.journal = Journal(self.store, taken, person.clock)

    @rule(name=people)
    def works(self, name: str) -> None:
        """The effect happens only while the newest open run is its own."""
        person = self.people[name]
        if person.journal is None:
            return
        journal = person.journal
        step = f"{name} {len(self.done)}"

        def effect() -> None:
            seen = self.store.look()
            assert seen.lock is not None
            assert (seen.lock.token, seen.lock.run.open) == (person.token, True)
            assert journal.epoch == self.newest
            self.done.add((journal.epoch, step))

        try:
            journal.around("wave", "i-1", step, effect)
        except LockLost:
            seen = self.store.look()
            assert seen.lock is None or not (seen.lock.token == person.token and seen.lock.run.open)
            person.journal = None

    @rule(name=people)
    def is_heard_of(self, name: str) -> None:
        """A heartbeat, if one is due."""
        if journal := self.people[name].journal:
            journal.renew()

    @rule(name=people, ending=st.sampled_from([Ending.DONE, Ending.FAILED, Ending.INTERRUPTED]))
    def ends(self, name: str, ending: Ending) -> None:
        """Whoever still has the lock frees it."""
        person = self.people[name]
        if person.journal is not None:
            person.journal.close(ending)
            person.journal = None

    @rule(name=people)
    def dies(self, name: str) -> None:
        """Without a word."""
        self.people[name].journal = None

    @rule(seconds=st.sampled_from([1.0, 14.0, 16.0, 59.0, 61.0, 8 * 3600.0]), awake=st.booleans())
    def time_passes(self, seconds: float, awake: bool) -> None:
        """At the server; on laptops only when they are awake."""
        self.bucket.server_time += seconds
        for person in self.people.values():
            if awake:
                person.clock.sleep(seconds)

    @rule(name=people)
    def breaks(self, name: str) -> None:
        """Somebody has seen enough."""
        seen = self.store.look()
        if seen.state is State.FREE:
            return
        with suppress(CloudError):
            self.store.break_open(seen, by=self.people[name].who)
        assert self.store.break_open(seen, by=self.people[name].who).ending is Ending.BROKEN

    @precondition(lambda self: self.bucket.trouble is None)
    @rule()
    def an_answer_gets_lost(self) -> None:
        """The next write arrives, and nobody hears that it did."""
        once(answer_lost, self.bucket)

    @invariant()
    def epochs_count_the_runs(self) -> None:
        """One, two, three: none twice, none missing, at most the last one open."""
        trouble, self.bucket.trouble = self.bucket.trouble, None
        runs = self.store.history(1000)
        self.bucket.trouble = trouble
        assert [run.epoch for run in runs] == list(range(len(runs), 0, -1))
        assert [run.open for run in runs[1:]] == [False] * len(runs[1:])
        entries = {(run.epoch, entry.step) for run in runs for entry in run.entries}
        assert self.done <= entries

    @invariant()
    def the_history_stays(self) -> None:
        """What was filed once is never written again."""
        now = {key: text for key, text in self.bucket.objects.items() if key.startswith(HISTORY)}
        assert self.filed.items() <= now.items()
        self.filed = now

    @invariant()
    def the_epoch_never_goes_back(self) -> None:
        """Whoever writes."""
        if LOCK in self.bucket.objects:
            found = lock.parse(self.bucket.objects[LOCK])
            assert found.epoch >= self.newest
            self.newest = found.epoch

    def mine(self, token: int) -> bool:
        """Whether the open run is the one of this token."""
        found = self.store.look().lock
        return found is not None and found.token == f"t{token}" and found.run.open


Environment.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestEnvironment = Environment.TestCase
