"""The way out, by hand: who answers now, who shall, what was, and the drill."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from invoke.collection import Collection

from playbooks.config import ENV_HELP
from playbooks.drill import drill
from playbooks.frame import confirm, emit_json, progress, task
from playbooks.hold import caller
from playbooks.session import Session

if TYPE_CHECKING:
    from provision.planning.fallback import FallbackStatus, Mode

_JSON_HELP = "print JSON only"
_YES_HELP = "go on without asking"
_FOR_HELP = "how long it is wanted: 90m, 2h, 1d; then the switch decides again"
_REASON_HELP = "why, for whoever looks at it later"
_WISH_HELP = {
    "reason": _REASON_HELP,
    "for": _FOR_HELP,
    "env": ENV_HELP,
    "yes": _YES_HELP,
    "json": _JSON_HELP,
}


@task(help={"env": ENV_HELP, "json": _JSON_HELP})
def status(_context: Any, env: str | None = None, json: bool = False) -> None:
    """Show who answers now, why, since when, what comes next, and what it cost."""
    from provision.report import fallback as report

    with Session.open(env) as session:
        progress(session.chosen)
        now = look(session)
        if json:
            emit_json(report.document(now))
        else:
            print(report.text(now))


@task(help=_WISH_HELP)
def on(
    _context: Any,
    reason: str,
    for_: str = "2h",
    env: str | None = None,
    yes: bool = False,
    json: bool = False,
) -> None:
    """Let the fallback answer, for a while, whatever is seen."""
    from provision.planning.fallback import Mode

    _wish(env, Mode.ON, reason=reason, time=for_, yes=yes, json=json)


@task(help=_WISH_HELP)
def off(
    _context: Any,
    reason: str,
    for_: str = "2h",
    env: str | None = None,
    yes: bool = False,
    json: bool = False,
) -> None:
    """Let our own hosts answer, for a while, whatever is seen."""
    from provision.planning.fallback import Mode

    _wish(env, Mode.OFF, reason=reason, time=for_, yes=yes, json=json)


@task(help=_WISH_HELP)
def freeze(
    _context: Any,
    reason: str,
    for_: str = "2h",
    env: str | None = None,
    yes: bool = False,
    json: bool = False,
) -> None:
    """Leave traffic where it is, for a while, whatever is seen."""
    from provision.planning.fallback import Mode

    _wish(env, Mode.FREEZE, reason=reason, time=for_, yes=yes, json=json)


@task(
    help={"reason": _REASON_HELP, "env": ENV_HELP, "yes": _YES_HELP, "json": _JSON_HELP},
)
def auto(
    _context: Any,
    reason: str = "back to normal",
    env: str | None = None,
    yes: bool = False,
    json: bool = False,
) -> None:
    """Let the switch decide again; it also ends a freeze after too many trips."""
    from provision.planning.fallback import Mode

    _wish(env, Mode.AUTO, reason=reason, time=None, yes=yes, json=json)


@task(
    help={"since": "how far back: 90m, 24h, 7d (default 24h)", "env": ENV_HELP, "json": _JSON_HELP}
)
def history(_context: Any, since: str = "24h", env: str | None = None, json: bool = False) -> None:
    """Show what people wished and what the switch moved, newest first."""
    from provision.planning.fallback import duration_s
    from provision.report import fallback as report

    back_s = duration_s(since, flag="--since")
    with Session.open(env) as session:
        progress(session.chosen)
        now = session.clock.now()
        wishes = [one for one in session.board.wishes() if one.at >= now - back_s]
        lines = session.board.lines(since=now - back_s, until=now)
        if json:
            emit_json(report.history_document(wishes, lines))
        else:
            print(report.history(wishes, lines))


def look(session: Session) -> FallbackStatus:
    """Everything that is known now; what can't be asked is unknown, and says why."""
    from provision.errors import CloudError
    from provision.planning.fallback import FallbackStatus, parse_wish, spend_of
    from provision.planning.journal import stamp

    board, settings = session.board, session.environment.fallback
    now = session.clock.now()
    wrote = board.wish()
    wish = parse_wish(wrote.text) if wrote else None
    seen = board.look(dry=True)
    day = stamp(now)[:10]
    try:
        spend = spend_of(board.spent(day), daily=settings.daily_usd, monthly=settings.monthly_usd)
    except CloudError as error:
        progress(f"what was spent is unknown: {error.message}")
        spend = None
    return FallbackStatus(
        share=session.cloud.primary_weight(),
        wish=wish if wish and wish.holds(now) else None,
        line=seen.line,
        error=seen.error,
        spend=spend,
    )


def _wish(
    env: str | None, mode: Mode, *, reason: str, time: str | None, yes: bool, json: bool
) -> None:
    from provision.planning.fallback import Wish, duration_s
    from provision.report import fallback as report

    lasts_s = None if time is None else duration_s(time, flag="--for")
    with Session.open(env) as session:
        progress(session.chosen)
        now = session.clock.now()
        until = None if lasts_s is None else now + lasts_s
        wish = Wish(mode, caller(session).name, reason, until)
        if not yes and not confirm(f"{session.environment.name}: {_question(mode, time)}"):
            return
        session.board.put_wish(wish.to_json())
        session.board.look(dry=False)
        after = look(session)
        if json:
            emit_json(report.document(after))
        else:
            print(report.text(after))


def _question(mode: Mode, time: str | None) -> str:
    words = {
        "force-fallback": "take all traffic off our own hosts",
        "force-primary": "give all traffic to our own hosts, whatever is seen",
        "freeze": "leave traffic where it is, whatever is seen",
        "auto": "let the switch decide",
    }
    return f"{words[mode]}{f' for {time}' if time else ''}?"


ns = Collection("fallback", status, on, off, freeze, auto, history, drill)
