"""When a host is beyond repair, so that the fleet should get another one in its place. Pure.

It is not when a release is to blame: only a host on which that very release was ready before, or
whose GPUs it had and has no more, is replaced. And only after its own remedies have failed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Optional, Tuple

from provision.agent.supervise import Phase

_FAILED = (Phase.HUNG, Phase.CRASH_LOOP)
_REMEMBERED = 5


@dataclass(frozen=True)
class Memory:
    """What this instance could do once: outlives reboots, and is worth nothing on another one."""

    instance: str
    gpus: int = 0
    ready: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Look:
    """One look at the host. ``gpus`` None: nobody could tell.

    *away*: somebody works on it, or AWS takes it away; nothing then says how it is.
    """

    release: str
    phases: Tuple[Phase, ...]
    gpus: Optional[int]
    wanted_gpus: int
    away: bool

    @property
    def serves(self) -> bool:
        """Every engine is ready: whatever else is the matter, it is no reason to end the host."""
        return bool(self.phases) and all(phase is Phase.READY for phase in self.phases)

    @property
    def failed(self) -> bool:
        """An engine hangs, or was given up."""
        return any(phase in _FAILED for phase in self.phases)


@dataclass(frozen=True)
class Case:
    """Since when the host is in trouble. *restarted*: an engine was started anew meanwhile."""

    release: str = ""
    gone_since: Optional[float] = None
    down_since: Optional[float] = None
    restarted: bool = False


def remember(memory: Memory, look: Look) -> Memory:
    """What is known now of what this host can do."""
    if look.away:
        return memory
    ready = memory.ready
    if look.serves and ready[-1:] != (look.release,):
        ready = (*(one for one in ready if one != look.release), look.release)[-_REMEMBERED:]
    return replace(memory, gpus=max(memory.gpus, look.gpus or 0), ready=ready)


def follow(case: Case, memory: Memory, look: Look, now: float) -> Case:
    """The case after a look. It begins anew with another release, and when somebody steps in."""
    over = look.serves or look.away or Phase.STOPPED in look.phases
    if over or look.release != case.release:
        case = Case(look.release)
    if over:
        return case
    down_since = now if case.down_since is None and look.failed else case.down_since
    return replace(
        case,
        gone_since=_gone_since(case, memory, look, now),
        down_since=down_since,
        restarted=case.restarted or (down_since is not None and _started_anew(look)),
    )


def verdict(case: Case, memory: Memory, look: Look, replace_after_s: float, now: float) -> str:
    """Why the host is beyond repair, empty while it is not."""
    if look.away or look.serves:
        return ""
    if case.gone_since is not None and look.gpus is not None:
        gone_s = now - case.gone_since
        if gone_s >= replace_after_s:
            had = f"it had {memory.gpus}"
            return f"{look.gpus} of {look.wanted_gpus} GPUs for {gone_s:.0f} s; {had}"
    if case.down_since is None or not (look.failed and case.restarted):
        return ""
    if now - case.down_since < replace_after_s or look.release not in memory.ready:
        return ""
    words = sorted({phase.value for phase in look.phases if phase in _FAILED})
    return (
        f"{' and '.join(words)} for {now - case.down_since:.0f} s in spite of restarts;"
        f" {look.release} was ready here before"
    )


def _gone_since(case: Case, memory: Memory, look: Look, now: float) -> Optional[float]:
    if look.gpus is None:
        return case.gone_since  # nobody could tell: neither gone nor back
    if look.gpus >= look.wanted_gpus or memory.gpus < look.wanted_gpus:
        return None
    return now if case.gone_since is None else case.gone_since


def _started_anew(look: Look) -> bool:
    """One that starts after it failed was restarted; one that was given up was so many times."""
    return any(phase in (Phase.STARTING, Phase.CRASH_LOOP) for phase in look.phases)
