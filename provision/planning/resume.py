"""A rollout that broke off: whether there is one, how it goes on, how it is taken back. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from provision.config.environment import Environment
from provision.errors import Refused
from provision.planning.actions import ApplyRelease, Bake
from provision.planning.finish import finish
from provision.planning.gateway import MOVED_STAYS, STAYS
from provision.planning.gateway_actions import AskGateway, MoveGateway
from provision.planning.intent import Intent, Kind
from provision.planning.journal import Ending, Run
from provision.planning.plan import Plan, Step, Wave
from provision.planning.restart import plan_rest_of_restart
from provision.planning.rollback import Published, plan_rollback
from provision.planning.rollout import free
from provision.planning.situation import Situation, served
from provision.planning.way_back import plan_return

_BROKE_OFF = (Ending.DIED, Ending.BROKEN)
_APPLY, _BAKE = ApplyRelease.__name__, Bake.__name__


def broke_off(run: Run) -> bool:
    """Whether *run* is a rollout that left hosts between two states, or may have."""
    if run.what.intent is None or run.ending is None:
        return False
    return run.ending in _BROKE_OFF or (run.ending is not Ending.DONE and not run.returned)


def tells(run: Run) -> bool:
    """Whether by *run* alone it is known if a rollout is unfinished.

    Not by one that left all as it was: if a rollout had broken off before it, it still has. But
    whoever went on with that one, and took everything back, has settled it.
    """
    intent = run.what.intent
    if intent is None:
        return False
    as_it_was = run.ending is not Ending.DONE and run.returned
    settled = intent.began is not None and bool(run.entries)
    return settled or not as_it_was


def plan_resume(
    environment: Environment,
    run: Run,
    intent: Intent,
    situation: Situation,
    *,
    published: Published | None,
    elapsed_s: float,
) -> Plan:
    """The rest of the rollout that *run* left unfinished, from what is there now.

    *published* is its release (None for a restart), *elapsed_s* how long ago it began. A host that
    was not watched to the end is watched. The gateway is no part of it, which a note says. Raises
    what the plans of rollbacks and restarts raise.
    """
    if intent.kind is Kind.RESTART:
        plan = plan_rest_of_restart(environment, situation, intent, elapsed_s=elapsed_s)
    else:
        plan = plan_rollback(environment, _there(published), situation, intent.pace)
    watched = tuple(_watch_again(run, intent, situation))
    if watched:
        watch = Wave("watch again", watched)
        last = () if plan else (finish(intent.model, chat=intent.chat),)
        plan = replace(plan, waves=(watch, *plan.waves, *last))
    if environment.fallback.exists and intent.release and intent.whole and not _proven(run):
        plan = replace(plan, notes=(*plan.notes, STAYS))
    return _settling(plan, f"go on: {run.what.purpose}", intent, situation)


def plan_abort(environment: Environment, run: Run, intent: Intent, situation: Situation) -> Plan:
    """Everything back to what it was before the rollout that *run* left unfinished."""
    plan = plan_return(environment, intent, situation)
    if any(entry.action == MoveGateway.__name__ for entry in run.entries):
        plan = replace(plan, notes=(*plan.notes, MOVED_STAYS))
    return _settling(plan, f"take back: {run.what.purpose}", intent, situation)


def _settling(plan: Plan, title: str, intent: Intent, situation: Situation) -> Plan:
    """*plan* under *title*; whatever it does, it also frees what the unfinished rollout holds."""
    if situation.still_held and not plan.afterwards:
        loose = Wave("finish", (free(situation.still_held),))
        plan = replace(plan, waves=(*plan.waves, loose))
    return replace(plan, title=title, intent=intent)


def _proven(run: Run) -> bool:
    """The run brought the gateway to its end."""
    asked = [entry for entry in run.entries if entry.action == AskGateway.__name__]
    return any(entry.ended and not entry.failed for entry in asked)


def _watch_again(run: Run, intent: Intent, situation: Situation) -> Iterator[Step]:
    """Hosts that serve what they shall, and were not watched to the end after they came back."""
    seconds = intent.pace.bake_s
    for name in run.hosts:
        host = next((host for host in situation.reachable if host.name == name), None)
        if host is None or not seconds or name in situation.unreachable:
            continue
        release = intent.release or situation.facts[name].release
        if release and served(name, release, situation) and _unwatched(run, name):
            reason = "nobody watched it to the end"
            yield Step(host, f"watch it for {seconds:.0f} s", reason, Bake(release, seconds))


def _unwatched(run: Run, host: str) -> bool:
    """The run changed it, or began to watch it, and never saw the end of that."""
    entries = [entry for entry in run.entries if entry.host == host]
    seen = any(e.action == _BAKE and e.ended and not e.failed for e in entries)
    return not seen and any(entry.action in (_BAKE, _APPLY) for entry in entries)


def _there(published: Published | None) -> Published:
    if published is None:
        raise Refused(
            "the release of that rollout was never published whole, so no serving host was changed",
            hint="`fab deploy` begins anew; --abort only tidies up",
        )
    return published
