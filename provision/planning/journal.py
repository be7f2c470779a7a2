"""What a task did, step by step: a record that outlives whoever writes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from provision.errors import FleetError
from provision.planning import intent
from provision.planning.actions import ApplyRelease, PublishRelease, SetCurrent
from provision.planning.intent import Intent
from provision.planning.plan import Plan

FORMAT = 2  # of the documents that hold runs
READS = (1, 2)  # 1 knows no intent


class Ending(StrEnum):
    """How a run ended."""

    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    DIED = "died"  # its lock ran out while it was open
    BROKEN = "broken"  # somebody broke its lock


@dataclass(frozen=True, slots=True)
class Who:
    """A person at a machine (``anna@laptop``), and the ARN by which AWS knows them.

    ``process`` is what the machine knows the run by ("": nobody asked), so that whoever comes later
    on the same machine sees at once that it is gone.
    """

    name: str
    identity: str
    process: str = ""

    def __str__(self) -> str:
        short = self.identity.rpartition(":")[2]
        return f"{self.name} ({short})" if short else self.name


@dataclass(frozen=True, slots=True)
class Errand:
    """What a run is for.

    ``before`` are the releases that its hosts ran, ``release`` is the one that they shall run:
    None when it changes none. A rollout of serving hosts has an ``intent``.
    """

    task: str
    purpose: str
    before: tuple[str, ...] = ()
    release: str | None = None
    intent: Intent | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One step on one host (``host`` "": on the environment).

    Without ``ended`` it was begun, and nobody wrote down what came of it: it may have been done
    wholly, in part, or not at all. ``failed`` is the first line of its error, ``action`` the kind
    of the step.
    """

    wave: str
    host: str
    step: str
    begun: str
    ended: str | None = None
    failed: str | None = None
    action: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """One task under one epoch of the lock. All times are the server's, ISO 8601 in UTC.

    ``closed_by`` names who closed it when it did not do so itself. ``returned``: it did not end
    well, and everything is as it was before it.
    """

    epoch: int
    who: Who
    what: Errand
    begun: str
    entries: tuple[Entry, ...] = ()
    ended: str | None = None
    ending: Ending | None = None
    error: str | None = None
    closed_by: str | None = None
    returned: bool = False

    @property
    def open(self) -> bool:
        """It has not ended, or not said so."""
        return self.ending is None

    @property
    def unfinished(self) -> tuple[Entry, ...]:
        """Steps that were begun and of which nobody knows how they ended."""
        return tuple(entry for entry in self.entries if entry.ended is None)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Hosts on which a step was begun, sorted."""
        return tuple(sorted({entry.host for entry in self.entries if entry.host}))


def errand(task: str, plan: Plan) -> Errand:
    """What a run of *plan* is for."""
    actions = [step.action for wave in plan for step in wave.steps]
    wanted = {a.release_id for a in actions if isinstance(a, ApplyRelease | SetCurrent)}
    wanted |= {a.release.id for a in actions if isinstance(a, PublishRelease)}
    before = {plan.expects.get(name) for name in plan.hosts} - {None}
    return Errand(
        task=task,
        purpose=plan.title,
        before=tuple(sorted(str(release) for release in before)),
        release=wanted.pop() if len(wanted) == 1 else None,
        intent=plan.intent,
    )


def stamp(seconds: float) -> str:
    """Seconds since the epoch as ISO 8601 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def seconds_between(begun: str, ended: str) -> float:
    """From one stamp to another."""
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(begun)).total_seconds()


def document(run: Run) -> dict[str, Any]:
    """The run as JSON values. (``asdict`` takes as long as all the rest of a write.)"""
    meant = run.what.intent
    return {
        **_plain(run),
        "who": _plain(run.who),
        "what": {**_plain(run.what), "intent": intent.document(meant) if meant else None},
        "entries": [_plain(entry) for entry in run.entries],
    }


def parse(said: Mapping[str, Any]) -> Run:
    """The run of a document. Raises LookupError, TypeError or ValueError when it is none."""
    ending = said["ending"]
    return Run(
        epoch=int(said["epoch"]),
        who=Who(**said["who"]),
        what=_errand(said["what"]),
        begun=said["begun"],
        entries=tuple(Entry(**entry) for entry in said["entries"]),
        ended=said["ended"],
        ending=None if ending is None else Ending(ending),
        error=said["error"],
        closed_by=said["closed_by"],
        returned=bool(said.get("returned", False)),
    )


def _plain(value: Run | Who | Errand | Entry) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__slots__}


def _errand(said: Mapping[str, Any]) -> Errand:
    meant = said.get("intent")
    before = tuple(said["before"])
    return Errand(**{**said, "before": before, "intent": intent.parse(meant) if meant else None})


def record(run: Run) -> bytes:
    """The text of a closed run's own document."""
    return json.dumps({"format": FORMAT, "run": document(run)}, separators=(",", ":")).encode()


def parse_record(text: bytes, *, key: str) -> Run:
    """The run of such a text. Raises FleetError, naming *key*, when it is another thing."""
    try:
        said = json.loads(text)
        if said["format"] not in READS:
            raise ValueError(f"format {said['format']}, this llm-fleet reads {READS}")
        return parse(said["run"])
    except (LookupError, TypeError, ValueError) as error:
        hint = "update this checkout; or look at that object in the environment's bucket"
        raise FleetError(f"{key} is not the record of a run: {error!r}", hint=hint) from error
