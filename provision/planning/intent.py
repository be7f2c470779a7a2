"""What a rollout is for: enough to finish it, or to take it back, for anybody who comes later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from provision.planning.pace import Pace


class Kind(StrEnum):
    """What a rollout brings."""

    RESTART = "restart"  # each host's own release, started anew
    RELEASE = "release"  # one release for all


@dataclass(frozen=True, slots=True)
class Intent:
    """A rollout, as it was meant when it began.

    Attributes:
        model: the name under which the service is asked in the end.
        chat: it is asked with messages.
        before: host -> the release that it goes back to, None when it ran nothing: what it ran, or
            what booting hosts took, if it served nobody with another one.
        release: what all shall run; None for a restart.
        whole: all hosts of the fleet were meant, so those that join belong to it.
        current: what booting hosts took when it began.
        previous: what they took before that; it is where `fab rollback` leads.
        held: processes of the Auto Scaling group that it suspends and resumes.
        carried: the fallback has the traffic meanwhile.
        began: the server's time when it began (ISO 8601), None in the run that begins it.
    """

    kind: Kind
    model: str
    chat: bool
    pace: Pace
    before: Mapping[str, str | None] = field(default_factory=dict)
    release: str | None = None
    whole: bool = True
    current: str | None = None
    previous: str | None = None
    held: tuple[str, ...] = ()
    carried: bool = False
    began: str | None = None

    def resumed(self, began: str) -> Intent:
        """The same in a later run: it began when its first run did, at *began*."""
        return replace(self, began=self.began or began)


def document(intent: Intent) -> dict[str, Any]:
    """The intent as JSON values."""
    values = {name: getattr(intent, name) for name in intent.__slots__}
    return {**values, "pace": asdict(intent.pace), "before": dict(intent.before)}


def parse(said: Mapping[str, Any]) -> Intent:
    """The intent of a document. Raises LookupError, TypeError or ValueError when it is none."""
    return Intent(
        **{
            **said,
            "kind": Kind(said["kind"]),
            "pace": Pace(**said["pace"]),
            "before": dict(said["before"]),
            "held": tuple(said["held"]),
        }
    )
