"""Keeping count while a Plan runs: who did what, who is out, what never began."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from provision.errors import FleetError, HostUnreachable
from provision.executor.actions import Did
from provision.executor.outcome import ENVIRONMENT, HostOutcome, Outcome, StepDone
from provision.planning.plan import Plan, Step, Wave


@dataclass(slots=True)
class _Account:
    done: list[StepDone] = field(default_factory=list)
    failed: str | None = None
    error: FleetError | None = None
    cut: bool = False
    not_done: list[str] = field(default_factory=list)
    waterfall: dict[str, float] = field(default_factory=dict)


class Tally:
    """One Plan's accounts; safe from many threads."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._lock = threading.Lock()
        self._hosts = {s.host.name: s.host for wave in plan for s in wave.steps if s.host}
        self._accounts = {name: _Account() for name in (ENVIRONMENT, *plan.hosts)}
        self._never_began: list[str] = []
        self._blocked = False  # something that every host needs did not happen
        self._answer = ("", 0)
        self.waves: dict[str, float] = {}
        for name, reason in plan.left_out.items():
            self.unreachable(name, HostUnreachable(name, reason))

    @property
    def began(self) -> bool:
        """At least one step was begun, whatever came of it."""
        return any(account.done or account.failed for account in self._accounts.values())

    def groups(self, wave: Wave) -> dict[str, tuple[Step, ...]]:
        """The steps that may run, by host; empty when the wave must not begin."""
        if self._blocked or (wave.needs_all and any(a.error for a in self._accounts.values())):
            return {}
        steps = tuple(self._with_stand_in(step) for step in wave.steps)
        return {
            name: group
            for name, group in replace(wave, steps=steps).by_host().items()
            if not self._is_out(name)
        }

    def _with_stand_in(self, step: Step) -> Step:
        """*step*, moved to a host that still works when all need it and its own host is out."""
        if step.host is None or not step.for_all or not self._is_out(step.host.name):
            return step
        fit = [host for name, host in self._hosts.items() if not self._is_out(name)]
        return replace(step, host=fit[0]) if fit else step

    def _is_out(self, name: str) -> bool:
        return self._accounts[name].error is not None or bool(self._accounts[name].not_done)

    def done(self, name: str, wave: Wave, step: Step, did: Did, seconds: float) -> None:
        """Note a finished step."""
        with self._lock:
            account = self._accounts[name]
            account.done.append(StepDone(wave.title, step.summary, seconds, did.detail))
            if not step.for_all:  # filling the stores is no part of a host's start
                _merge(account.waterfall, did.phases)
            if did.chunks:
                self._answer = (did.answer, did.chunks)

    def failed(
        self, name: str, step: Step, error: FleetError, *, cut: bool, rest: Sequence[Step]
    ) -> None:
        """Note a failed step, and the steps that its host does not get any more."""
        with self._lock:
            account = self._accounts[name]
            account.failed, account.error, account.cut = step.summary, error, cut
            account.not_done += [one.summary for one in rest]
            self._blocked |= any(one.for_all for one in (step, *rest))

    def skipped(self, name: str, rest: Sequence[Step]) -> None:
        """Note steps that did not begin because the operator asked to stop."""
        with self._lock:
            self._accounts[name].not_done += [one.summary for one in rest]

    def unreachable(self, name: str, error: FleetError) -> None:
        """Note a host that gets no step at all."""
        self._accounts.setdefault(name, _Account()).error = error

    def never_began(self, wave: Wave) -> None:
        """Note a wave of which no step ran."""
        self._never_began.append(wave.title)

    def outcome(self, *, interrupted: bool, seconds: float) -> Outcome:
        """The sum."""
        return Outcome(
            title=self._plan.title,
            hosts=tuple(
                HostOutcome(
                    name=name,
                    done=tuple(account.done),
                    failed=account.failed,
                    error=account.error,
                    cut=account.cut,
                    not_done=tuple(account.not_done),
                    waterfall=dict(account.waterfall),
                )
                for name, account in sorted(self._accounts.items())
            ),
            never_began=tuple(self._never_began),
            interrupted=interrupted,
            waves=dict(self.waves),
            seconds=seconds,
            answer=self._answer[0],
            streamed_chunks=self._answer[1],
        )


def _merge(waterfall: dict[str, float], phases: Mapping[str, float]) -> None:
    """Add *phases*; one that was measured twice (a pull that found the image) keeps the longer."""
    for name, took in phases.items():
        if name != "total":
            waterfall[name] = max(took, waterfall.get(name, 0.0))
