"""How every change of what runs ends: an answer of our own engine, then perhaps a new `current`."""

from __future__ import annotations

from collections.abc import Iterator

from provision.planning.actions import AskThroughLoadBalancer, SetCurrent
from provision.planning.plan import Step, Wave
from provision.planning.situation import Situation

ANSWER_TIMEOUT_S = 120.0


def finish(
    model: str, *, chat: bool, promote: str | None = None, before: str | None = None
) -> Wave:
    """Ask *model* through the load balancer; then make the release *promote* current, after the one
    *before*. It begins only when all before it went well."""
    ask = AskThroughLoadBalancer(model, ANSWER_TIMEOUT_S, chat)
    reason = "an answer must come from our own engine"
    steps = [Step(None, "ask through the load balancer", reason, ask)]
    if promote is not None:
        reason = f"booting hosts take {before or 'nothing'} now"
        current = SetCurrent(promote, before=before)
        steps.append(Step(None, f"make {promote} current", reason, current))
    return Wave("finish", tuple(steps), needs_all=True)


def promotes(release: str, situation: Situation) -> bool:
    """Whether booting hosts shall take *release* from now on, and do not yet."""
    return situation.current != release and not situation.partial


def lagging(release: str, situation: Situation) -> Iterator[str]:
    """The note that a change of some hosts leaves `current` alone."""
    if situation.partial and situation.current != release:
        yield f"only some hosts: booting hosts keep taking {situation.current or 'nothing'}"
