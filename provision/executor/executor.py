"""The loop: wave by wave, hosts side by side, steps in order."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from provision.commands.command import Command
from provision.connectors.gateway import GatewayService
from provision.connectors.protocols import Clock, Cloud, Http, Shell
from provision.connectors.switchboard import Switchboard
from provision.errors import FleetError, HostUnreachable, LockLost, PlanError
from provision.executor.actions import Actions, Did, changes
from provision.executor.fenced import FencedShell
from provision.executor.interrupts import on_interrupt
from provision.executor.journal import Journal, first_line
from provision.executor.outcome import ENVIRONMENT, Event, Kind, Listener, Outcome
from provision.executor.stale import moved_since
from provision.executor.tally import Tally
from provision.facts.inventory import Host
from provision.planning.plan import Plan, Step, Wave

_MOST_HOSTS_AT_ONCE = 128
_LOOK_AGAIN_S = 0.2
_WHAT_RUNS = Command(
    ("sh", "-c", 'basename "$(readlink /opt/llm-fleet/current || echo /)"'), timeout_s=30
)


class Executor:
    """Carries out one Plan at a time; the only caller of a door that changes something."""

    def __init__(
        self,
        *,
        shell: Shell,
        http: Http,
        cloud: Cloud,
        clock: Clock,
        board: Switchboard | None = None,
        gateway: GatewayService | None = None,
        listener: Listener = lambda _: None,
    ) -> None:
        self._shell, self._clock = FencedShell(shell), clock
        self._cloud = cloud
        self._listener = listener
        self._speaking = threading.RLock()  # a signal may interrupt its holder
        self._stop = threading.Event()
        self._asked = False
        self._lost: LockLost | None = None
        self._journal: Journal | None = None
        self._changing: set[str] = set()
        self._actions = Actions(
            shell=self._shell,
            http=http,
            cloud=cloud,
            clock=clock,
            stopped=self._stop.is_set,
            board=board,
            gateway=gateway,
            confirm=self._confirm,
        )

    def execute(self, plan: Plan, journal: Journal | None = None) -> Outcome:
        """Carry *plan* out as far as it goes, each step being written into *journal* first.

        A host whose step fails gets no further step; the others finish. Ctrl-C lets running changes
        finish, a second Ctrl-C cuts them; so does the loss of the journal's lock, after which no
        step begins. Raises PlanError, before any change, when what the Plan expects is not so any
        more.
        """
        begun = self._clock.monotonic()
        tally = Tally(plan)
        self._journal = journal
        if journal is not None:
            self._shell.epoch = journal.epoch
            journal.attend(stopped=self._stop.is_set, lost=self._lock_lost, say=self._note)
        self._refuse_stale(plan, tally)
        with on_interrupt(self._ask_to_stop, self._cut):
            for wave in plan:
                if wave.steps:
                    self._wave(wave, tally)
            self._afterwards(plan, tally)
        if self._lost is not None:
            tally.unreachable(ENVIRONMENT, self._lost)
        return tally.outcome(interrupted=self._asked, seconds=self._clock.monotonic() - begun)

    def _afterwards(self, plan: Plan, tally: Tally) -> None:
        """What is done in every ending; a step that fails does not keep the next from its turn."""
        if not plan.afterwards or not tally.began:
            return
        wave = Wave("afterwards", plan.afterwards)
        self._say(Event(Kind.WAVE, wave.title))
        for step in plan.afterwards:
            name = step.host.name if step.host else ENVIRONMENT
            error = self._step(wave, name, step, tally)
            if error is not None:
                tally.failed(name, step, error, cut=False, rest=())

    def _wave(self, wave: Wave, tally: Tally) -> None:
        groups = tally.groups(wave)
        if self._stop.is_set() or not groups:
            tally.never_began(wave)
            return
        self._say(Event(Kind.WAVE, wave.title))
        begun = self._clock.monotonic()
        with ThreadPoolExecutor(min(len(groups), _MOST_HOSTS_AT_ONCE)) as pool:
            futures = [
                pool.submit(self._steps, wave, name, steps, tally) for name, steps in groups.items()
            ]
            self._wait(futures)
        for future in futures:
            future.result()  # a bug keeps its traceback
        tally.waves[wave.title] = self._clock.monotonic() - begun

    def _wait(self, futures: Sequence[Future[None]]) -> None:
        pending = set(futures)
        while pending:
            pending = wait(pending, timeout=_LOOK_AGAIN_S).not_done
            if self._stop.is_set() and not self._changing:
                self._shell.close()  # ends what only waits

    def _confirm(self) -> None:
        if self._journal is not None:
            self._journal.confirm()

    def _lock_lost(self, why: LockLost) -> None:
        self._lost = why
        self._stop.set()
        self._note(f"stopping, no further step begins: {first_line(why)}")

    def _ask_to_stop(self) -> None:
        self._asked = True
        self._stop.set()
        running = len(self._changing)
        self._note(f"stopping: {running} running change(s) finish first; Ctrl-C again cuts them")

    def _cut(self) -> None:
        self._note("cutting")
        self._shell.close()

    def _steps(self, wave: Wave, name: str, steps: tuple[Step, ...], tally: Tally) -> None:
        for index, step in enumerate(steps):
            if self._stop.is_set():
                tally.skipped(name, steps[index:])
                return
            error = self._step(wave, name, step, tally)
            if error is not None:
                tally.failed(name, step, error, cut=self._stop.is_set(), rest=steps[index + 1 :])
                return

    def _step(self, wave: Wave, name: str, step: Step, tally: Tally) -> FleetError | None:
        begun = self._clock.monotonic()
        self._say(Event(Kind.BEGAN, step.summary, name))
        if changes(step):
            self._changing.add(name)
        try:
            did = self._written_down(wave, step, name)
        except FleetError as error:
            seconds = self._clock.monotonic() - begun
            self._say(Event(Kind.FAILED, f"{step.summary}: {first_line(error)}", name, seconds))
            return error
        finally:
            self._changing.discard(name)
        seconds = self._clock.monotonic() - begun
        tally.done(name, wave, step, did, seconds)
        text = f"{step.summary} ({did.detail})" if did.detail else step.summary
        self._say(Event(Kind.DONE, text, name, seconds))
        return None

    def _written_down(self, wave: Wave, step: Step, name: str) -> Did:
        def act() -> Did:
            return self._actions.carry_out(
                step, lambda text: self._say(Event(Kind.PROGRESS, text, name))
            )

        if self._journal is None:
            return act()
        kind = type(step.action).__name__
        return self._journal.around(wave.title, name, step.summary, act, action=kind)

    def _refuse_stale(self, plan: Plan, tally: Tally) -> None:
        hosts = {step.host.name: step.host for wave in plan for step in wave.steps if step.host}
        looked = [host for name, host in hosts.items() if name in plan.expects]
        with ThreadPoolExecutor(min(len(looked) + 1, _MOST_HOSTS_AT_ONCE)) as pool:
            moved = pool.submit(moved_since, plan, self._cloud)
            found = dict(zip(looked, pool.map(self._what_runs, looked), strict=True))
        stale = moved.result()
        for host, runs in found.items():
            if isinstance(runs, FleetError):
                tally.unreachable(host.name, runs)
            elif runs != plan.expects[host.name]:
                expected = plan.expects[host.name] or "nothing"
                stale += (f"{host.name} runs {runs or 'nothing'} now, not {expected}",)
        if stale:
            raise PlanError(
                f"the plan is stale: {'; '.join(stale)}; nothing was changed",
                hint="somebody else works here, or a host came or went: run the same command again",
            )

    def _what_runs(self, host: Host) -> str | HostUnreachable | None:
        try:
            name = self._shell.run(host, _WHAT_RUNS).stdout.strip()
        except HostUnreachable as error:
            return error
        return None if name in ("", "/") else name

    def _note(self, text: str) -> None:
        self._say(Event(Kind.NOTE, text, ENVIRONMENT))

    def _say(self, event: Event) -> None:
        with self._speaking:
            self._listener(event)
