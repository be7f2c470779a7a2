"""What the signals of one look say, taken together. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from provision.switch.policy import Policy
from provision.switch.values import ALL, Alarm, Outcome, Proof, Role, Run, Signals, State, Token

_GAP_S = 150.0  # good tokens further apart than two ticks are not a row


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is true as far as anybody can tell.

    Attributes:
        witnesses: who else says that the fleet is dead, in words; empty when nobody does.
        own_dead: every token that the switch asked for itself failed.
        own_good: every one came, and in time.
        own_slow: most of them were late, refused for a full queue, or failed.
        waiting: requests wait in the engines.
        busy: the engines have no room for more traffic than they have now.
        unusable: why traffic can't be sent to the fallback; "" when it can.
        fallback_dead: traffic that goes there is lost.
    """

    witnesses: tuple[str, ...]
    own_dead: bool
    own_good: bool
    own_slow: bool
    waiting: bool
    busy: bool
    unusable: str
    fallback_dead: bool

    @property
    def dead(self) -> bool:
        """Two who don't know of each other say so."""
        return self.own_dead and bool(self.witnesses)

    @property
    def overloaded(self) -> bool:
        """The engines have a queue, and the switch itself had to wait in it."""
        return self.waiting and self.own_slow


def judge(state: State, signals: Signals, policy: Policy, now: float) -> Judgement:
    """Judge *signals*; the proof of the fallback is the state's, which knows the last one."""
    good = [_in_time(token, policy) for token in signals.primary]
    unclear = any(token.outcome is Outcome.UNCLEAR for token in signals.primary)
    failed = [token.outcome is Outcome.FAILED for token in signals.primary]
    enough = len(signals.primary) >= policy.witness_tokens
    spent = _spent(signals.spent_usd, policy)
    return Judgement(
        witnesses=tuple(_witnesses(signals)),
        own_dead=enough and all(failed),
        own_good=enough and all(good),
        own_slow=enough and not unclear and sum(good) * 2 < len(good),
        waiting=signals.alarms.get(Role.QUEUE) is Alarm.ALARM,
        busy=signals.alarms.get(Role.BUSY) is Alarm.ALARM,
        unusable=spent or _unproven(state.proof, policy, now),
        fallback_dead=state.proof.misses >= policy.hosted_misses or _cap_reached(signals, policy),
    )


def learnt(proof: Proof, token: Token | None) -> Proof:
    """The proof after *token*; the same token counts once."""
    if token is None or (proof.asked_at is not None and token.at <= proof.asked_at):
        return proof
    if token.outcome is Outcome.GOOD:
        return Proof(good_at=token.at, asked_at=token.at)
    missed = token.outcome is not Outcome.UNCLEAR
    return replace(proof, asked_at=token.at, misses=proof.misses + missed)


def counted(run: Run, tokens: tuple[Token, ...], policy: Policy) -> Run:
    """The run after the tokens of one look, which count as one; the same look counts once."""
    if not tokens or tokens[0].at <= run.last:
        return run
    at = tokens[0].at
    if not all(_in_time(token, policy) for token in tokens):
        return Run(last=at)
    if run.count == 0 or at - run.last > _GAP_S:
        return Run(1, at, at)
    return Run(run.count + 1, run.first, at)


def long_enough(run: Run, policy: Policy) -> bool:
    """The run proves that the fleet serves."""
    return run.count >= policy.probes and run.span_s >= policy.probes_span_s


def wants_proof(state: State, tokens: tuple[Token, ...], policy: Policy, now: float) -> bool:
    """Whether the fallback is to be asked in this look: a hosted token costs money."""
    asked_at = state.proof.asked_at
    if asked_at is None:
        return True
    if any(not _in_time(token, policy) for token in tokens):
        return True  # it may be needed in this very look
    careful = state.share < ALL or state.proof.misses
    return now - asked_at >= (policy.proof_away_s if careful else policy.proof_every_s)


def _in_time(token: Token, policy: Policy) -> bool:
    return token.outcome is Outcome.GOOD and token.seconds <= policy.slo_ttft_s


def _witnesses(signals: Signals) -> list[str]:
    """The hosts' agents and the load balancer; neither asks the way the switch asks."""
    found = []
    if signals.alarms.get(Role.CANARY) is Alarm.ALARM:
        found.append("the hosts' canaries fail")
    # A full queue answers 503 as well: that is overload, not death.
    waiting = signals.alarms.get(Role.QUEUE) is Alarm.ALARM
    if signals.alarms.get(Role.ERRORS) is Alarm.ALARM and not waiting:
        found.append("the load balancer counts errors")
    hosts = signals.hosts
    if hosts is not None and hosts.healthy == 0:
        counted_hosts = hosts.unhealthy + hosts.starting
        found.append(f"none of {counted_hosts} hosts is healthy" if counted_hosts else "no host")
    return found


def _spent(spent_usd: Decimal | None, policy: Policy) -> str:
    """Why the day's money is no more; "" when there is some left, or no limit."""
    cap = policy.daily_cap_usd
    if cap is None:
        return ""
    if cap == 0:
        return "the daily cap is 0 USD"
    if spent_usd is None:
        return "" if policy.trip_without_spend else "nobody knows what was spent today"
    return f"{spent_usd:.2f} of {cap:.2f} USD a day are spent" if spent_usd >= cap else ""


def _cap_reached(signals: Signals, policy: Policy) -> bool:
    cap = policy.daily_cap_usd
    return cap is not None and signals.spent_usd is not None and signals.spent_usd >= cap


def _unproven(proof: Proof, policy: Policy, now: float) -> str:
    if proof.misses:
        return f"the fallback failed {proof.misses} times in a row"
    if proof.good_at is None:
        return "the fallback never gave a token"
    if now - proof.good_at > policy.proof_fresh_s:
        return f"the fallback gave its last token {now - proof.good_at:.0f} s ago"
    return ""
