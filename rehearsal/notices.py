"""What AWS has in store for an instance: spot notices that a test gives, and what its group wants.

Notices are files, because who gives them and who tells the instance are two processes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

SPOT = "spot/instance-action"
REBALANCE = "events/recommendations/rebalance"
TARGET = "autoscaling/target-lifecycle-state"
_STEADY = {"Terminating": "Terminated", "EnteringStandby": "Standby", "Detaching": "Detached"}


@dataclass(frozen=True, slots=True)
class Notices:
    """The notices in *folder*; *autoscaling* is asked where the group takes an instance."""

    folder: Path
    autoscaling: Any = None

    def spot(self, instance: str, ends_at: datetime) -> None:
        """EC2 takes the instance back at *ends_at*."""
        self._write(instance, SPOT, {"action": "terminate", "time": _iso(ends_at)})

    def rebalance(self, instance: str, at: datetime) -> None:
        """EC2 thinks that it may take the instance back sooner or later."""
        self._write(instance, REBALANCE, {"noticeTime": _iso(at)})

    def item(self, instance: str, name: str) -> str | None:
        """The text of a metadata item, None when there is nothing to say."""
        if name == TARGET:
            return self._target(instance)
        return self._read(instance).get(name)

    def due(self, now: datetime) -> list[str]:
        """Instances whose time is over."""
        found = []
        for file in self.folder.glob("*.json"):
            text = self._read(file.stem).get(SPOT)
            if text and datetime.fromisoformat(json.loads(text)["time"]) <= now:
                found.append(file.stem)
        return found

    def forget(self, instance: str) -> None:
        """It is gone."""
        (self.folder / f"{instance}.json").unlink(missing_ok=True)

    def _target(self, instance: str) -> str | None:
        """The steady state to which the group takes the instance; the word of the group itself."""
        said = self.autoscaling.describe_auto_scaling_instances(InstanceIds=[instance])
        for one in said["AutoScalingInstances"]:
            state = one["LifecycleState"].partition(":")[0]
            return _STEADY.get(state, "InService" if state == "Pending" else state)
        return None

    def _read(self, instance: str) -> dict[str, str]:
        try:
            known: dict[str, str] = json.loads((self.folder / f"{instance}.json").read_text())
        except FileNotFoundError:
            return {}
        return known

    def _write(self, instance: str, name: str, document: dict[str, str]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        known = {**self._read(instance), name: json.dumps(document)}
        file = self.folder / f"{instance}.json"
        new = file.with_suffix(".new")
        new.write_text(json.dumps(known))
        new.replace(file)


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
