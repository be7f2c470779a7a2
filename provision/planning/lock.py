"""Who may change an environment: one at a time, by the server's clock, fenced by an epoch.

The lock and the record of the run that holds it are one document, replaced only by conditional
writes. So a step that is written down is also proof that the lock is still held, and a run that
somebody else closed can't write another word.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from enum import StrEnum

from provision.errors import FleetError, LockHeld, LockLost, PlanError
from provision.planning import journal
from provision.planning.journal import FORMAT, READS, Ending, Errand, Run, Who, stamp

FOLDER = "rollouts"
LOCK = f"{FOLDER}/lock.json"
HISTORY = f"{FOLDER}/history/"

TTL_S = 60.0  # unheard of for so long, a holder is dead
RENEW_S = 15.0  # three renewals may get lost


class State(StrEnum):
    """What can be said of a lock."""

    FREE = "free"
    HELD = "held"
    EXPIRED = "expired"  # its holder was not heard of for too long: whoever asks gets it


@dataclass(frozen=True, slots=True)
class Lock:
    """The document: the last run, which holds the lock as long as it is open.

    ``token`` and ``beat`` make every version of it differ from every other, so that an ETag names
    one write. ``ttl_s`` is the holder's promise to be heard of.
    """

    run: Run
    token: str
    beat: int = 0
    ttl_s: float = TTL_S

    @property
    def epoch(self) -> int:
        """Counts the runs of the environment; it never goes back."""
        return self.run.epoch

    def to_json(self) -> bytes:
        """The document's text."""
        body = {"token": self.token, "beat": self.beat, "ttl_s": self.ttl_s}
        document = {"format": FORMAT, **body, "run": journal.document(self.run)}
        return json.dumps(document, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Seen:
    """The lock as the server showed it.

    Attributes:
        lock: None when there was never one.
        etag: of the version that was seen, None when there is none.
        idle_s: the server's seconds since it was written.
        at: the server's clock at that moment, seconds since the epoch; 0.0 without a lock.
        gone: its holder ran on this machine, and its process has ended.
    """

    lock: Lock | None = None
    etag: str | None = None
    idle_s: float = 0.0
    at: float = 0.0
    gone: bool = False

    @property
    def state(self) -> State:
        """Whether somebody holds it: by the server's clock, and by what became of its process."""
        if self.lock is None or not self.lock.run.open:
            return State.FREE
        return State.EXPIRED if self.gone or self.idle_s > self.lock.ttl_s else State.HELD

    @property
    def frees_in_s(self) -> float:
        """Until it frees itself if its holder is dead; 0.0 when it is free."""
        if self.lock is None or self.state is not State.HELD:
            return 0.0
        return max(0.0, self.lock.ttl_s - self.idle_s)

    @property
    def settled_epoch(self) -> int:
        """The last epoch of which nothing can change any more; 0 before the first."""
        if self.lock is None:
            return 0
        return self.lock.epoch - (1 if self.state is State.HELD else 0)


def parse(text: bytes) -> Lock:
    """The lock of a document. Raises FleetError when it is another thing, or too new."""
    hint = f"look at {LOCK} in the environment's bucket; S3 keeps its older versions"
    try:
        said = json.loads(text)
        if said["format"] not in READS:
            raise FleetError(
                f"the lock was written by another llm-fleet (format {said['format']})",
                hint="update this checkout",
            )
        run = journal.parse(said["run"])
        return Lock(run, str(said["token"]), int(said["beat"]), float(said["ttl_s"]))
    except (LookupError, TypeError, ValueError) as error:
        raise FleetError(f"{LOCK} is not a lock: {error!r}", hint=hint) from error


def begun(*, epoch: int, who: Who, what: Errand, token: str, at: float) -> Lock:
    """The lock, newly taken."""
    return Lock(Run(epoch, who, what, begun=stamp(at)), token)


def closed(
    lock: Lock,
    ending: Ending,
    *,
    at: float,
    error: str | None,
    by: Who | None,
    returned: bool = False,
) -> Lock:
    """The lock, free again; *by* is somebody else than its holder."""
    run = replace(
        lock.run,
        ended=stamp(at),
        ending=ending,
        error=error,
        closed_by=str(by) if by else None,
        returned=returned,
    )
    return replace(lock, run=run, beat=lock.beat + 1)


def died(lock: Lock, seen: Seen, *, by: Who | None) -> Lock:
    """*lock*, whose holder is dead, closed with the moment at which it was last heard of."""
    text = "its process ended" if seen.gone else f"not heard of for {seen.idle_s:.0f} s"
    return closed(lock, Ending.DIED, at=seen.at - seen.idle_s, error=text, by=by)


def refuse_held(seen: Seen, *, environment: str) -> None:
    """Raise LockHeld, with all that the one who is refused wants to know, when it is held."""
    if seen.lock is None or seen.state is not State.HELD:
        return
    run = seen.lock.run
    raise LockHeld(
        f"{run.who} works on {environment}: {run.what.purpose}, since {run.begun}"
        f" (heard of {seen.idle_s:.0f} s ago); nothing was changed",
        hint=f"`fab lock.status --env {environment}` shows how far it is. If it is dead, the lock"
        f" frees itself in {seen.frees_in_s:.0f} s; `fab lock.break --env {environment}` ends it"
        " now",
    )


def refuse_moved(seen: Seen, *, planned_at: int | None) -> None:
    """Raise PlanError when somebody worked on the environment since the Plan was made.

    *planned_at* is the settled epoch of then, None when nobody looked.
    """
    if planned_at is None or seen.lock is None or seen.settled_epoch == planned_at:
        return
    run = seen.lock.run
    raise PlanError(
        f"the plan is stale: {run.who} worked on the environment since it was made"
        f" ({run.what.purpose}, {run.ending or 'still open'}); nothing was changed",
        hint="run the same command again",
    )


def lost(mine: Lock, found: Lock | None) -> LockLost:
    """Why the holder of *mine* must stop, when the document says *found* now."""
    if found is None:
        return LockLost(
            f"the lock is gone: {LOCK} was deleted", hint="who did it? then run the command again"
        )
    if found.epoch == mine.epoch and found.run.ending is Ending.BROKEN:
        return LockLost(
            f"{found.run.closed_by} broke the lock at {found.run.ended}",
            hint="ask them; then run the same command again",
        )
    if found.epoch == mine.epoch and found.run.ending is Ending.DIED:
        return LockLost(
            f"this run was not heard of for too long (since {found.run.ended}),"
            f" and {found.run.closed_by} closed it",
            hint="`fab history` shows who went on; then run the same command again",
        )
    return LockLost(
        f"{found.run.who} holds epoch {found.epoch} now, this run has epoch {mine.epoch}:"
        f" {found.run.what.purpose}, since {found.run.begun}",
        hint="`fab history` shows what was done meanwhile; then run the same command again",
    )


def history_key(epoch: int) -> str:
    """Where the record of a closed run lies; keys sort as epochs do."""
    return f"{HISTORY}{epoch:010d}.json"


def epoch_of(key: str) -> int:
    """The epoch of a key below :data:`HISTORY`, 0 when it is none."""
    name = key.removeprefix(HISTORY).removesuffix(".json")
    return int(name) if name.isdecimal() else 0
