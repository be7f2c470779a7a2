"""When the switch acts: every number, its default, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any

from provision.switch.errors import SettingsError
from provision.switch.values import ALL


@dataclass(frozen=True, slots=True)
class Policy:
    """The numbers of :func:`provision.switch.decide.decide` and of the looks.

    Attributes:
        partial_share: percent that the fleet keeps in an overload.
        ramp: percents on the way back; the last step, to 100, is not named.
        ramp_step_s: at least so long on each of them.
        hold_s: at least so long away; a new trip within *retrip_window_s* of the way back doubles
            it, up to *hold_cap_s*.
        trips_a_day: as many within 24 hours freeze the switch.
        probes: good tokens in a row, over *probes_span_s*, before the ramp begins.
        slo_ttft_s: a token that takes longer is not good.
        witness_tokens: asked at once in every look; all must fail for the fleet to be dead.
        token_deadline_s: the primary's whole answer; *hosted_deadline_s* the fallback's.
        proof_fresh_s: so old may the fallback's last good token be for a trip.
        proof_every_s: how often the fallback is asked while all is well; *proof_away_s* while it
            has traffic; in every look in which a token of the fleet is late.
        hosted_misses: as many in a row, and the fallback is dead.
        daily_cap_usd: what the fallback may cost in a day, None without a limit.
        trip_without_spend: trip also when nobody knows what was spent.
        look_every_s: between two looks of one run, which stays for *stay_s*.
        watch_when_well: stay also while all is well; else one look a call.
        page_again_s: trouble that lasts is told again after this.
    """

    partial_share: int = 70
    ramp: tuple[int, ...] = (5, 25, 50)
    ramp_step_s: float = 60.0
    hold_s: float = 300.0
    hold_cap_s: float = 3600.0
    retrip_window_s: float = 3600.0
    trips_a_day: int = 4
    probes: int = 10
    probes_span_s: float = 60.0
    slo_ttft_s: float = 3.0
    witness_tokens: int = 3
    token_deadline_s: float = 5.0
    hosted_deadline_s: float = 10.0
    proof_fresh_s: float = 60.0
    proof_every_s: float = 300.0
    proof_away_s: float = 30.0
    hosted_misses: int = 3
    daily_cap_usd: Decimal | None = None
    trip_without_spend: bool = False
    look_every_s: float = 6.0
    stay_s: float = 55.0
    watch_when_well: bool = True
    page_again_s: float = 1800.0

    @property
    def shares(self) -> frozenset[int]:
        """The shares that the switch itself ever writes."""
        return frozenset({0, *self.ramp, self.partial_share, ALL})


def parse(document: Mapping[str, Any]) -> Policy:
    """The policy of a JSON object; keys that are left out have their defaults.

    Raises SettingsError with all problems at once.
    """
    known = {field.name for field in fields(Policy)}
    problems = [f"{name}: there is no such key" for name in sorted(set(document) - known)]
    values: dict[str, Any] = {}
    for name in known & set(document):
        try:
            values[name] = _value(name, document[name])
        except (TypeError, ValueError, InvalidOperation):
            problems.append(f"{name}: {document[name]!r} can't be read")
    policy = Policy(**values)
    problems += _problems(policy)
    if problems:
        raise SettingsError(
            f"the switch's policy is wrong: {'; '.join(problems)}",
            hint="mend `fallback:` in the environment's file, then `pulumi up`",
        )
    return policy


def _value(name: str, given: Any) -> Any:
    default = getattr(Policy(), name)
    if name == "daily_cap_usd":
        return None if given is None else Decimal(str(given))
    if name == "ramp":
        return tuple(_whole(step) for step in given)
    if isinstance(default, bool):
        if not isinstance(given, bool):
            raise TypeError
        return given
    if isinstance(given, bool):
        raise TypeError
    return _whole(given) if isinstance(default, int) else float(given)


def _whole(given: Any) -> int:
    if isinstance(given, bool) or int(given) != given:
        raise TypeError
    return int(given)


def _problems(policy: Policy) -> Iterator[str]:
    for name in _AT_LEAST_ONE:
        if getattr(policy, name) < 1:
            yield f"{name}: at least 1"
    for name in _POSITIVE:
        if not 0 < getattr(policy, name) < float("inf"):
            yield f"{name}: more than 0"
    steps = (0, *policy.ramp, ALL)
    if any(here >= there for here, there in pairwise(steps)):
        yield f"ramp: {list(policy.ramp)} must rise, between 1 and 99"
    if not 0 < policy.partial_share < ALL:
        yield "partial_share: between 1 and 99"
    elif policy.partial_share in policy.ramp:
        yield f"partial_share: {policy.partial_share} is a step of the ramp: nobody could tell them"
    if policy.hold_cap_s < policy.hold_s:
        yield "hold_cap_s: at least hold_s"
    if policy.slo_ttft_s > policy.token_deadline_s:
        yield "slo_ttft_s: at most token_deadline_s, else no token is ever too slow"
    if policy.daily_cap_usd is not None and not policy.daily_cap_usd >= 0:
        yield "daily_cap_usd: at least 0"
    if policy.stay_s < 0:
        yield "stay_s: at least 0"


_AT_LEAST_ONE = ("trips_a_day", "probes", "witness_tokens", "hosted_misses")
_POSITIVE = (
    *("ramp_step_s", "hold_s", "hold_cap_s", "retrip_window_s", "probes_span_s", "slo_ttft_s"),
    *("token_deadline_s", "hosted_deadline_s", "proof_fresh_s", "proof_every_s", "proof_away_s"),
    *("look_every_s", "page_again_s"),
)
