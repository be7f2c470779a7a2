"""Who serves, who comes, who goes."""

from __future__ import annotations

from provision.gateway.crew import CRASH_WINDOW_S, CRASHES, START_S, Crew, Do

LEAVE_S = 60.0


def orders(crew: Crew, now: float = 0.0) -> list[tuple[Do, int | None]]:
    return list(crew.next(now, LEAVE_S))


def serving(*ids: int) -> Crew:
    crew = Crew()
    for id in ids:
        crew.hired(id, 0)
        crew.ready(id, 0)
    return crew


def test_somebody_is_to_serve() -> None:
    """One is started, and not a second one while it comes."""
    crew = Crew()
    assert orders(crew) == [(Do.START, None)]
    crew.hired(1, 0)
    assert orders(crew) == []
    assert not crew.serves
    crew.ready(1, 10)
    assert crew.serves
    assert orders(crew) == []


def test_the_successor_serves_before_the_old_one_leaves() -> None:
    """A worn-out worker goes on until another has taken over, and is told to go once."""
    crew = serving(1)
    crew.replace(0)
    assert orders(crew) == [(Do.START, None)]
    crew.hired(2, 0)
    assert orders(crew) == []
    crew.ready(2, 10)
    assert orders(crew, 10) == [(Do.LEAVE, 1)]
    assert orders(crew, 11) == []
    crew.gone(1, 20)
    assert orders(crew, 20) == []
    assert crew.crashes == []


def test_who_does_not_leave_is_killed() -> None:
    """After the time that its last answers may take."""
    crew = serving(1, 2)
    assert orders(crew, 10) == [(Do.LEAVE, 1)]
    assert orders(crew, 10 + LEAVE_S) == []
    assert orders(crew, 11 + LEAVE_S) == [(Do.KILL, 1)]


def test_who_does_not_come_is_killed() -> None:
    """A worker that hangs at its start keeps no other from coming."""
    crew = Crew()
    crew.hired(1, 0)
    assert orders(crew, START_S + 1) == [(Do.KILL, 1)]
    crew.gone(1, START_S + 1)
    assert orders(crew, START_S + 1) == [(Do.START, None)]


def test_a_crash_is_made_good_at_once_but_not_for_ever() -> None:
    """So many in a row, and the task ends: ECS starts another. Old crashes are forgotten."""
    crew = Crew()
    for id in range(1, CRASHES):
        crew.hired(id, id)
        crew.gone(id, id)
        assert orders(crew, id) == [(Do.START, None)]
    crew.hired(9, 9)
    crew.gone(9, 9)
    assert orders(crew, 9) == [(Do.GIVE_UP, None)]
    assert orders(crew, 9 + CRASH_WINDOW_S) == [(Do.START, None)]


def test_at_the_end_everybody_leaves() -> None:
    """Also one that is still coming; nobody is started any more."""
    crew = serving(1)
    crew.hired(2, 0)
    crew.stopping = True
    assert orders(crew) == [(Do.LEAVE, 1), (Do.LEAVE, 2)]
    assert orders(crew) == []
    crew.gone(1, 1)
    crew.gone(2, 1)
    assert crew.empty
    assert orders(crew) == []
