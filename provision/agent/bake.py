"""Watch a host that came back into traffic: the first minutes show what a warm-up does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Optional, Sequence, Tuple

from provision.agent.before import Before
from provision.agent.errors import AgentError
from provision.agent.events import Clock, Events
from provision.agent.last_good import LastGood, Proof, slower
from provision.agent.metrics import Served
from provision.agent.paths import Paths
from provision.agent.settings import AgentSettings
from provision.agent.system import read_json
from provision.agent.wait import AskStatus, of_replica

_STEP_S = 1.0
_SILENT_S = 15.0
_FEWEST_ERRORS = 2  # one may be anything
_ENOUGH = 20  # answers, before and after, from which a mean says something
_HINT = "`fab logs` shows the engine's whole log"

Status = Mapping[str, Any]


@dataclass(frozen=True)
class Limits:
    """What a watched host may do.

    ``before`` is what it served before it was taken away (None: unknown), and *slowdown* by how
    much the mean first token may be later than then (None: by anything).
    """

    max_error_share: float = 0.02
    slowdown: Optional[float] = None
    before: Optional[Served] = None


def bake_on(
    paths: Paths,
    release: str,
    seconds: float,
    *,
    replica: Optional[int] = None,
    ask: AskStatus,
    clock: Clock,
    events: Events,
) -> None:
    """Bake *release* on this host, or on one *replica* of it, by what is known of it.

    Then it is the one to measure by.
    """
    settings = AgentSettings.parse(read_json(paths.release(release) / "agent.json"))
    before = Before(paths.before)
    indexes = [one.index for one in settings.replicas] if replica is None else [replica]
    status = bake(
        release,
        seconds,
        limits=limits_of(settings, before.served(settings.layout), indexes),
        ask=ask if replica is None else of_replica(ask, replica),
        clock=clock,
        events=events,
    )
    before.forget()
    first_tokens = [one.get("first_token_s") for one in _replicas(status)]
    known = [one for one in first_tokens if one is not None]
    if settings.layout and first_tokens and len(known) == len(first_tokens):
        proof = Proof(release, settings.layout, max(known), clock.now())
        LastGood(paths.last_good).remember(proof)


def limits_of(
    settings: AgentSettings, before: Mapping[int, Served], indexes: Sequence[int]
) -> Limits:
    """The limits of a release's settings, for the engines *indexes*.

    All of them must be known of *before*, or none counts.
    """
    total: Optional[Served] = Served()
    for index in indexes:
        one = before.get(index)
        total = total.plus(one) if total is not None and one is not None else None
    return Limits(settings.bake.max_error_share, settings.warmup.slowdown, total)


def bake(
    release: str,
    seconds: float,
    *,
    limits: Limits,
    ask: AskStatus,
    clock: Clock,
    events: Events,
) -> Status:
    """The last status, when the host was ready for *release* for *seconds* on end.

    Raises AgentError at the first sign that it is not: another release, an engine that is not
    ready, one that restarted, errors, or an agent that says nothing for 15 s; and at the end when
    first tokens came later than before.
    """
    begun = heard = clock.monotonic()
    first: Optional[Status] = None
    last: Optional[Status] = None
    while True:
        status, now = ask(), clock.monotonic()
        if status is not None:
            heard, last, first = now, status, first or status
            _raise(_problem(status, release, first, limits), now - begun, status)
        elif now - heard >= _SILENT_S:
            raise AgentError(f"the agent says nothing for {_SILENT_S:.0f} s", hint=_HINT)
        if now - begun >= seconds and first is not None and last is not None:
            _raise(_late(_served(first, last), limits), now - begun, last)
            _say(events, release, now - begun, _served(first, last))
            return last
        clock.sleep(_STEP_S)


def _raise(problem: str, seconds: float, status: Status) -> None:
    if problem:
        log = list(status.get("log") or ())
        raise AgentError(f"{problem} after {seconds:.0f} s", hint=_HINT, log=log)


def _problem(status: Status, release: str, first: Status, limits: Limits) -> str:
    if status["release"] != release:
        return f"the host runs release {status['release']}, not {release},"
    if status["ready_for"] != release:
        return f"not ready any more: {status['reason']},"
    if _starts(status) != _starts(first):
        return "an engine restarted"
    return _errors(_served(first, status), limits)


def _errors(served: Optional[Served], limits: Limits) -> str:
    if served is None or served.errors < _FEWEST_ERRORS:
        return ""
    questions = int(served.answered) + served.errors
    share = served.errors / questions
    if share <= limits.max_error_share:
        return ""
    return (
        f"{served.errors} of {questions} questions were answered with an error"
        f" ({share:.1%}, allowed are {limits.max_error_share:.1%})"
    )


def _late(served: Optional[Served], limits: Limits) -> str:
    before = limits.before
    if served is None or before is None or limits.slowdown is None:
        return ""
    mean, mean_before = served.mean_first_token_s, before.mean_first_token_s
    if min(served.first_tokens, before.first_tokens) < _ENOUGH or not mean or not mean_before:
        return ""
    allowed = slower(mean_before, limits.slowdown)
    if mean <= allowed:
        return ""
    return (
        f"the first token took {mean:.2f} s on average of {served.first_tokens:.0f} answers;"
        f" before, it was {mean_before:.2f} s on average of {before.first_tokens:.0f},"
        f" and allowed are {allowed:.2f} s"
    )


def _say(events: Events, release: str, seconds: float, served: Optional[Served]) -> None:
    mean = served.mean_first_token_s if served else None
    events.emit(
        "baked",
        release=release,
        seconds=round(seconds, 3),
        answers=None if served is None else int(served.answered),
        errors=None if served is None else served.errors,
        first_token_s=None if mean is None else round(mean, 4),
    )


def _served(first: Status, last: Status) -> Optional[Served]:
    """What all engines served between two looks, None when one of them did not say."""
    total = Served()
    for one, other in zip(_replicas(first), _replicas(last)):  # noqa: B905 - Python 3.9
        if one.get("served") is None or other.get("served") is None:
            return None
        during = Served.parse(other["served"]).since(Served.parse(one["served"]))
        total = total.plus(during.settled())
    return total


def _starts(status: Status) -> Tuple[Tuple[int, Optional[str]], ...]:
    return tuple((one["restarts"], one["started_at"]) for one in _replicas(status))


def _replicas(status: Status) -> Sequence[Mapping[str, Any]]:
    replicas: Sequence[Mapping[str, Any]] = status["replicas"]
    return replicas
