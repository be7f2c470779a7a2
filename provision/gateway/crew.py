"""Which worker serves, which comes, which goes: decided without a process in sight."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

CRASHES = 5
CRASH_WINDOW_S = 300.0
START_S = 180.0


class Place(StrEnum):
    """Where a worker stands."""

    COMING = "coming"
    SERVING = "serving"
    LEAVING = "leaving"


class Do(StrEnum):
    """What the supervisor does next."""

    START = "start"
    LEAVE = "leave"  # the worker gets SIGTERM, and ends when its answers are out
    KILL = "kill"
    GIVE_UP = "give up"


@dataclass(slots=True)
class Member:
    """One worker."""

    id: int
    place: Place
    since: float


@dataclass(slots=True)
class Crew:
    """The workers. One serves; another comes before it leaves."""

    members: dict[int, Member] = field(default_factory=dict)
    crashes: list[float] = field(default_factory=list)
    wanted_since: float | None = None  # a successor, although one serves
    stopping: bool = False

    @property
    def serves(self) -> bool:
        """Whether anybody serves."""
        return any(one.place is Place.SERVING for one in self.members.values())

    @property
    def empty(self) -> bool:
        """Whether nobody is left."""
        return not self.members

    def hired(self, id: int, now: float) -> None:
        """A worker was started."""
        self.members[id] = Member(id, Place.COMING, now)
        self.wanted_since = None

    def ready(self, id: int, now: float) -> None:
        """A worker serves from now on."""
        if id in self.members:
            self.members[id].place, self.members[id].since = Place.SERVING, now

    def replace(self, now: float) -> None:
        """Another worker is to take over."""
        self.wanted_since = self.wanted_since or now

    def gone(self, id: int, now: float) -> None:
        """A worker ended; by itself it is a crash."""
        member = self.members.pop(id)
        if member.place is not Place.LEAVING and not self.stopping:
            self.crashes.append(now)

    def next(self, now: float, leave_s: float) -> Iterator[tuple[Do, int | None]]:
        """What is to be done now; a worker that leaves has *leave_s* for its last answers."""
        for member in list(self.members.values()):
            waited = now - member.since
            late = member.place is Place.COMING and waited > START_S
            stuck = member.place is Place.LEAVING and waited > leave_s
            if late or stuck:
                yield Do.KILL, member.id
        yield from self._leavers(now)
        if self.stopping:
            return
        self.crashes = [at for at in self.crashes if now - at < CRASH_WINDOW_S]
        if len(self.crashes) >= CRASHES:
            yield Do.GIVE_UP, None
        elif self._needs_one():
            yield Do.START, None

    def _leavers(self, now: float) -> Iterator[tuple[Do, int | None]]:
        """All but the newest that serves; when the task ends, everybody."""
        serving = [one for one in self.members.values() if one.place is Place.SERVING]
        newest = max(serving, key=lambda one: one.id, default=None)
        for member in list(self.members.values()):
            old = member.place is Place.SERVING and member is not newest
            if old or (self.stopping and member.place is not Place.LEAVING):
                member.place, member.since = Place.LEAVING, now
                yield Do.LEAVE, member.id

    def _needs_one(self) -> bool:
        if any(one.place is Place.COMING for one in self.members.values()):
            return False
        return not self.serves or self.wanted_since is not None
