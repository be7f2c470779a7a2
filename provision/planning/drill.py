"""A rehearsed outage of a live environment: what is done, and what its clients had of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from provision.config.environment import Environment
from provision.errors import Refused
from provision.planning.actions import BeginMaintenance, EnterTraffic, LeaveTraffic
from provision.planning.fallback import FallbackStatus, Mode, Wish
from provision.planning.levers import Linger, PutWish, WaitShare
from provision.planning.pace import CAREFUL
from provision.planning.plan import Plan, Step, Wave
from provision.planning.situation import Situation, premise, serving
from provision.planning.stations import LEAVE_TIMEOUT_S, TRAFFIC_TIMEOUT_S, drain_s_of

AWAY_TIMEOUT_S = 180.0
_MARGIN_S = 1800.0
_RAMP_S = 900.0  # ten good looks, three steps of a minute each, and some patience
PRIMARY, HOSTED, STALE = "primary", "hosted", "stale"


@dataclass(frozen=True, slots=True)
class Sample:
    """One question of the drill: when it was sent (seconds since the drill began) and what came.

    ``tier`` is "" when nobody answered; ``seconds`` is how long it took.
    """

    at: float
    seconds: float
    status: int
    tier: str = ""

    @property
    def good(self) -> bool:
        """An answer, whoever gave it."""
        return self.status == 200 and self.tier != ""


@dataclass(frozen=True, slots=True)
class Drilled:
    """What clients had of a drill. Times are seconds; None: it never came so far.

    Attributes:
        to_fallback_s: from its beginning until answers came from the fallback only.
        to_primary_s: from the end of the outage until they came from our own hosts only.
        lost: questions without an answer, and ``longest_gap_s`` the longest time without any.
        tiers: answers by tier.
    """

    asked: int
    answered: int
    lost: int
    longest_gap_s: float
    tiers: Mapping[str, int]
    to_fallback_s: float | None
    to_primary_s: float | None


def plan_drill(
    environment: Environment,
    situation: Situation,
    status: FallbackStatus,
    *,
    by: str,
    now: float,
    away_s: float,
    outage: bool,
) -> Plan:
    """Take traffic off our own hosts for *away_s* seconds, and give it back.

    Without *outage* a person's wish moves it, and no request is lost. With it all hosts leave the
    load balancer, as if they had died: the switch has to find out by itself, and until then clients
    get errors. Raises Refused when traffic is not as it shall be in the end.
    """
    _refuse_odd(situation, status)
    if outage and situation.unreachable:
        names = ", ".join(sorted(situation.unreachable))
        raise Refused(
            f"{names} can't be reached, and could not be told to come back",
            hint="`fab doctor` finds the cause; a drill without --outage needs no hosts",
        )
    waves, last = (
        _outage(environment, situation, away_s)
        if outage
        else _wished(by=by, now=now, away_s=away_s)
    )
    how = "an outage of all hosts" if outage else "a wish"
    return Plan(
        title=f"drill {environment.name}: {how}, for {away_s:.0f} s",
        waves=waves,
        expects={host.name: situation.facts[host.name].release for host in situation.reachable},
        premise=premise(situation),
        notes=tuple(_notes(outage=outage)),
        left_out=dict(situation.unreachable) if outage else {},
        afterwards=last,
    )


def drilled(samples: Sequence[Sample], *, ended_at: float) -> Drilled:
    """What *samples* say of a drill whose outage was over at *ended_at*."""
    asked = sorted(samples, key=lambda sample: sample.at)
    away = [sample for sample in asked if sample.at < ended_at]
    back = [sample for sample in asked if sample.at >= ended_at]
    tiers: dict[str, int] = {}
    for sample in asked:
        if sample.good:
            tiers[sample.tier] = tiers.get(sample.tier, 0) + 1
    answered = sum(tiers.values())
    return Drilled(
        asked=len(asked),
        answered=answered,
        lost=len(asked) - answered,
        longest_gap_s=_longest_gap(asked),
        tiers=tiers,
        to_fallback_s=_only(away, {HOSTED, STALE}, since=0.0),
        to_primary_s=_only(back, {PRIMARY}, since=ended_at),
    )


def _refuse_odd(situation: Situation, status: FallbackStatus) -> None:
    if status.line is None:
        raise Refused(
            f"the switch can't be asked: {status.error or 'nobody knows why'}",
            hint="`fab fallback.status`; without it traffic would not come back",
        )
    if situation.primary_weight != 100 or status.state != "primary":
        raise Refused(
            f"our own hosts get {situation.primary_weight} % of the traffic"
            f" (the switch says: {status.state})",
            hint="a drill begins with all traffic on them: `fab fallback.status`",
        )
    if status.wish is not None:
        raise Refused(
            f"{status.wish.by} wants {status.wish.mode}: {status.wish.reason}",
            hint="`fab fallback.auto` ends it",
        )
    if not serving(situation):
        raise Refused("no host serves", hint="`fab status` shows why")


def _wished(*, by: str, now: float, away_s: float) -> tuple[tuple[Wave, ...], tuple[Step, ...]]:
    # Whoever dies in the middle leaves a wish that runs out.
    wish = Wish(Mode.ON, by, "a drill", now + away_s + _MARGIN_S)
    over = Wish(Mode.AUTO, by, "the drill is over")
    reason = "until everybody is answered by the fallback"
    return (
        Wave("away", (Step(None, "wish for the fallback", "the switch moves", PutWish(wish)),)),
        Wave("all away", (_wait(0, AWAY_TIMEOUT_S, reason),), needs_all=True),
        Wave("stay away", (_linger(away_s),), needs_all=True),
        Wave("back", (Step(None, "end the wish", "the switch asks the hosts", PutWish(over)),)),
        Wave("all back", (_wait(100, _RAMP_S, "probes, then step by step"),), needs_all=True),
    ), (Step(None, "see that no wish is left", "in every ending", PutWish(over)),)


def _outage(
    environment: Environment, situation: Situation, away_s: float
) -> tuple[tuple[Wave, ...], tuple[Step, ...]]:
    hold_s = environment.fallback.switch.hold_s
    lease_s = AWAY_TIMEOUT_S + away_s + drain_s_of(environment, CAREFUL) + _MARGIN_S
    gone, here = [], []
    for host in situation.reachable:
        lease = BeginMaintenance(lease_s)
        gone.append(Step(host, "mark as away on purpose", "ends by itself if nobody does", lease))
        leave = LeaveTraffic(LEAVE_TIMEOUT_S, others=0)
        gone.append(Step(host, "leave traffic", "as if it had died", leave))
        reason = "registered, and healthy to the load balancer"
        here.append(Step(host, "enter traffic", reason, EnterTraffic(TRAFFIC_TIMEOUT_S)))
    return (
        Wave("outage", tuple(gone)),
        Wave("all away", (_wait(0, AWAY_TIMEOUT_S, "the switch finds out"),), needs_all=True),
        Wave("stay away", (_linger(away_s),), needs_all=True),
        Wave("hosts back", tuple(here)),
        Wave("all back", (_wait(100, hold_s + _RAMP_S, "hold, probes, steps"),), needs_all=True),
    ), tuple(here)


def _wait(percent: int, timeout_s: float, reason: str) -> Step:
    return Step(
        None, f"wait until our own hosts get {percent} %", reason, WaitShare(percent, timeout_s)
    )


def _linger(seconds: float) -> Step:
    return Step(None, f"leave it so for {seconds:.0f} s", "clients go on", Linger(seconds))


def _notes(*, outage: bool) -> Iterator[str]:
    if outage:
        yield "until the switch has found out, half a minute or so, clients get errors"
    yield "hosted answers cost money meanwhile: `fab fallback.status` shows how much"


def _only(samples: Sequence[Sample], tiers: set[str], *, since: float) -> float | None:
    """Seconds from *since* until only *tiers* answered, and everything was answered."""
    first = None
    for sample in samples:
        if not (sample.good and sample.tier in tiers):
            first = None
        elif first is None:
            first = sample.at
    return None if first is None else first - since


def _longest_gap(samples: Sequence[Sample]) -> float:
    """The longest time between the last good question before a lost one and the next good one."""
    longest, gap_from = 0.0, None
    for sample in samples:
        if not sample.good:
            gap_from = sample.at if gap_from is None else gap_from
        elif gap_from is not None:
            longest, gap_from = max(longest, sample.at - gap_from), None
    if gap_from is not None:
        longest = max(longest, samples[-1].at + samples[-1].seconds - gap_from)
    return longest
