"""The crossing of an API's price and a fleet's, and whether the fleet carries it."""

from __future__ import annotations

import csv
from decimal import ROUND_CEILING, Decimal
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from provision.catalog.prices.load import load
from provision.catalog.prices.price import HostedModel, Origin, Status
from provision.planning.cost import capacity
from provision.planning.cost.break_even import (
    BreakEven,
    Crossing,
    Fleet,
    Never,
    break_even_requests,
    cross,
)
from provision.planning.cost.fleet_price import FleetPrice
from provision.planning.cost.throughput import Mix

FACTS = Path(__file__).parents[2] / "golden" / "facts_throughput"
MIX = Mix(700, 100)
MONTH = Decimal(730 * 3600)
G5 = Decimal("2.9551")  # requests a second of a g5.xlarge, by the roofline


def api(input_usd: str, output_usd: str) -> HostedModel:
    origin = Origin("test", "2026-11-21", Status.OVERRIDE)
    return HostedModel("api", "test", Decimal(input_usd), Decimal(output_usd), None, None, origin)


def fleet(
    host_monthly: str | Decimal = "462.82",
    *,
    extra: str | Decimal = "270",
    hosts: int = 1,
    peak: str | Decimal = "2",
    rate: Decimal = G5,
    fallback: str | Decimal = "0",
    mix: Mix = MIX,
    seconds: Decimal = MONTH,
) -> Fleet:
    return Fleet(
        price=FleetPrice("g5.xlarge", hosts, Decimal(host_monthly), extra=Decimal(extra)),
        capacity=capacity.given(rate),
        mix=mix,
        seconds=seconds,
        peak_factor=Decimal(peak),
        fallback_share=Decimal(fallback),
    )


GPT_4O, MINI = api("2.5", "10"), api("0.15", "0.6")


class TestGuide1:
    """A published guide on a g5.xlarge against gpt-4o, with its own inputs."""

    def test_a_request(self) -> None:
        """700 and 100 tokens at 2.50 and 10.00 $ per million."""
        assert GPT_4O.per_request(700, 100) == Decimal("0.00275")

    def test_a_month_of_720_hours(self) -> None:
        """0.634 $ an hour is 456.48; with 50 + 20 + 200 that is 726.48: 727 when every sum is
        rounded up to the dollar."""
        price = FleetPrice("", 1, Decimal("0.634") * 720, extra=Decimal(270))
        assert price.host_monthly == Decimal("456.480")
        assert price.monthly() == Decimal("726.480")
        assert price.monthly().to_integral_value(ROUND_CEILING) == 727

    def test_its_break_even(self) -> None:
        """727 $ at 0.00275 a request; the exact fleet price gives 189 requests less."""
        assert break_even_requests(Decimal(727), Decimal("0.00275")) == 264_364
        assert break_even_requests(Decimal("726.48"), Decimal("0.00275")) == 264_175

    def test_a_month_of_730_hours(self) -> None:
        """What AWS bills: 462.82, so 732.82 and 266,480 requests."""
        found = cross(fleet(), GPT_4O)
        assert found.fleet.price.monthly() == Decimal("732.82")
        assert (found.break_even, found.reachable) == (266_480, True)
        assert (found.hosts, found.replicas) == (1, 1)

    def test_two_million_requests(self) -> None:
        """0.0003635 $ a request, 86.8 % less than the API: not 0.000088 and not 97 %."""
        month = cross(fleet("727", extra="0"), GPT_4O).at(2_000_000)
        each = month.fleet_usd / month.requests
        assert (month.hosts, each) == (1, Decimal("0.0003635"))
        assert round((1 - each / Decimal("0.00275")) * 100, 1) == Decimal("86.8")

    @pytest.mark.parametrize(("share", "bill"), [("0.05", "864.50"), ("0.10", "1002.00")])
    def test_a_fallback_is_paid_on_top(self, share: str, bill: str) -> None:
        """A million requests, 5 and 10 % of them by gpt-4o: the fleet costs the same meanwhile."""
        month = cross(fleet("727", extra="0", fallback=share), GPT_4O).at(1_000_000)
        assert month.fleet_usd == Decimal(bill)

    def test_five_million_requests_are_too_many_for_one_host(self) -> None:
        """64 % of what it carries when it is never idle: no room for a peak of twice that."""
        found = cross(fleet(), GPT_4O)
        assert found.fleet.full_load == 7_766_002
        assert round(Decimal(5_000_000) / found.fleet.full_load, 2) == Decimal("0.64")
        assert found.at(5_000_000).hosts == 2


class TestGuide4:
    """Another guide: two GPUs against a dear and a cheap API, 12 million tokens a day."""

    DAY = Mix(10_000_000, 2_000_000)
    SPLIT = Mix(800, 200)  # of a thousand tokens, for its break-even
    MONTH = Decimal(720 * 3600)
    GPUS = FleetPrice("2 GPUs", 2, Decimal("2.10") * 720, overhead=Decimal("0.20"))
    CLAUDE, CHEAP = api("3", "15"), api("0.15", "0.60")

    def two_gpus(self) -> Fleet:
        """1,500 tokens a second, both together; sized for the average, as the guide does."""
        given_rate = capacity.given(Decimal("0.75"))
        return Fleet(self.GPUS, given_rate, self.SPLIT, self.MONTH, peak_factor=Decimal(1))

    @pytest.mark.parametrize(("hosted", "usd"), [(CLAUDE, "1800"), (CHEAP, "81")])
    def test_a_month_of_the_api(self, hosted: HostedModel, usd: str) -> None:
        """10 million tokens in and 2 million out a day: not 10,800 and not 504."""
        assert 30 * hosted.per_request(10_000_000, 2_000_000) == Decimal(usd)

    def test_two_gpus_with_a_fifth_on_top(self) -> None:
        """2 x 2.10 $ x 720 h x 1.2."""
        assert self.GPUS.monthly() == Decimal("3628.80")

    @pytest.mark.parametrize(
        ("hosted", "tokens_a_day"), [(CLAUDE, 22_400_000), (CHEAP, 504_000_000)]
    )
    def test_the_crossing_in_tokens_a_day(self, hosted: HostedModel, tokens_a_day: int) -> None:
        """At 80 % prompt: not 8.5 million and not 242 million."""
        found = cross(self.two_gpus(), hosted)
        assert found.crossing is not None
        assert found.crossing * self.SPLIT.tokens / 30 == tokens_a_day

    def test_the_dear_api_has_a_break_even(self) -> None:
        """22.4 of the 129.6 million tokens a day that the GPUs carry."""
        found = cross(self.two_gpus(), self.CLAUDE)
        assert found.fleet.full_load * self.SPLIT.tokens // 30 == 129_600_000
        assert (found.reachable, found.break_even) == (True, 672_000)

    def test_the_cheap_api_never_loses(self) -> None:
        """504 is beyond 129.6, and full GPUs cost 0.93 $ a million against 0.24."""
        found = cross(self.two_gpus(), self.CHEAP)
        assert (found.break_even, found.sized_break_even) == (None, None)
        assert found.never is Never.API_CHEAPER
        full = found.fleet.full_load * self.SPLIT.tokens / Decimal(1_000_000)
        assert round(self.GPUS.monthly() / full, 2) == Decimal("0.93")

    def test_at_its_own_example_the_fleet_costs_twice_the_api(self) -> None:
        """12 million tokens a day: 3,628.80 against 1,800."""
        month = 30 * self.CLAUDE.per_request(10_000_000, 2_000_000)
        assert round(self.GPUS.monthly() / month, 1) == Decimal("2.0")


def rows() -> list[dict[str, str]]:
    return list(csv.DictReader((FACTS / "break_even.csv").read_text().splitlines()))


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row['hosted_model']} {row['fleet']}")
def test_the_table_that_was_worked_out_by_hand(row: dict[str, str]) -> None:
    """Twenty hosted models against three fleets: price, crossing and verdict."""
    hosted = load().hosted_model(row["hosted_model"])
    total = Decimal(row["fleet_usd_month"])
    extra = Decimal(70) if row["fleet"].endswith("noeng") else Decimal(270)
    found = cross(fleet(total - extra, extra=extra), hosted)
    assert found.usd_per_request == Decimal(row["usd_per_request"])
    by_hand = int(row["break_even_req_month"])  # rounded; ours is the first request that pays
    assert found.crossing is not None
    assert 0 <= found.crossing - by_hand <= 1
    share = Decimal(found.crossing) / found.fleet.full_load
    assert float(share) == pytest.approx(float(row["share_of_default_capacity"]), abs=0.002)
    verdict = row["reachable"]
    assert found.reachable is not verdict.startswith("never")
    if found.duty is not None:
        assert (found.duty > Decimal("0.5")) is verdict.startswith("only above 50%")


def test_beyond_capacity_is_not_the_same_as_never_cheaper() -> None:
    """gpt-5-nano's crossing needs more than one host; Llama on deepinfra no fleet can undercut."""
    nano = cross(fleet(), api("0.05", "0.40"))
    assert (nano.crossing, nano.break_even) == (9_770_934, None)
    assert nano.never is Never.BEYOND_CAPACITY
    llama = cross(fleet(), api("0.03", "0.05"))
    assert llama.never is Never.API_CHEAPER


def test_a_fleet_that_grows_may_cross_where_one_host_can_not() -> None:
    """At full load three hosts share the fixed costs that one can't earn."""
    found = cross(fleet(peak="1"), api("0.05", "0.40"))
    assert (found.break_even, found.reachable) == (None, False)
    assert (found.sized_break_even, found.sized_hosts) == (22_112_800, 3)


def test_a_free_fleet_share_never_saves_what_the_fallback_costs() -> None:
    """Half of the requests go to an API twice as dear: each request saves nothing."""
    found = cross(fleet(fallback="0.5"), MINI, api("0.30", "1.20"))
    assert (found.crossing, found.break_even, found.sized_break_even) == (None, None, None)
    assert found.never is Never.API_CHEAPER


money = st.decimals("0.01", "100000", places=2)
rates = st.decimals("0.01", "500", places=4)
prices = st.decimals("0.01", "100", places=3)
peaks = st.decimals("1", "10", places=1)
shares = st.decimals("0", "0.5", places=2)
requests = st.integers(1, 10**10)
fleets = st.builds(
    fleet,
    money,
    extra=money,
    hosts=st.integers(1, 20),
    peak=peaks,
    rate=rates,
    fallback=shares,
    mix=st.builds(Mix, st.integers(1, 8000), st.integers(1, 4000)),
)
apis = st.builds(lambda i, o: api(str(i), str(o)), prices, prices)


@given(fleets, apis, requests, requests)
def test_more_traffic_never_costs_less(
    own: Fleet, hosted: HostedModel, some: int, more: int
) -> None:
    """Neither by the API nor by the fleet, whose hosts only grow."""
    low, high = sorted((some, more))
    found = cross(own, hosted)
    assert found.at(low).fleet_usd <= found.at(high).fleet_usd
    assert found.at(low).api_usd <= found.at(high).api_usd
    assert found.at(low).hosts <= found.at(high).hosts


@given(fleets, apis)
def test_the_crossing_times_the_price_is_the_fleet_s_price(own: Fleet, hosted: HostedModel) -> None:
    """To within the one request by which it was rounded up."""
    found = cross(own, hosted)
    assume(found.crossing is not None)
    saved = found.usd_per_request - own.fallback_share * found.usd_per_fallback
    paid = (found.crossing or 0) * saved
    assert 0 <= paid - own.price.monthly() < saved


@given(fleets, apis)
def test_a_break_even_is_carried_and_what_is_never_is_not(own: Fleet, hosted: HostedModel) -> None:
    """Reachable means: the hosts that there are serve it, if never idle."""
    found = cross(own, hosted)
    assert found.reachable is (found.never is None)
    if found.break_even is not None:
        assert found.break_even <= own.full_load
        assert (found.duty or 0) <= 1


@given(fleets, apis)
def test_a_sized_break_even_pays_and_the_request_before_does_not(
    own: Fleet, hosted: HostedModel
) -> None:
    """It is a crossing of the fleet that has the hosts its busiest hour needs."""
    found = cross(own, hosted)
    assume(found.sized_break_even is not None)
    at = found.sized_break_even or 1
    assert found.at(at).fleet_usd <= found.at(at).api_usd
    if at > 1:
        assert found.at(at - 1).fleet_usd > found.at(at - 1).api_usd


@given(fleets, apis, st.integers(0, 10**9))
def test_where_it_is_never_no_volume_pays(own: Fleet, hosted: HostedModel, volume: int) -> None:
    """No traffic at all makes a fleet cheaper that is sized for its peaks and has no break-even."""
    found = cross(own, hosted)
    assume(found.sized_break_even is None)
    month = found.at(volume + 1)
    assert month.fleet_usd > month.api_usd


@given(fleets, apis, st.integers(0, 10**9))
def test_once_settled_it_stays_cheaper(own: Fleet, hosted: HostedModel, more: int) -> None:
    """From there on a further host always pays from its first request."""
    found = cross(own, hosted)
    assume(found.settled is not None)
    month = found.at((found.settled or 0) + more)
    assert month.fleet_usd <= month.api_usd


@given(fleets, requests)
def test_hosts_are_as_many_as_the_busiest_hour_needs(own: Fleet, volume: int) -> None:
    """One less would not do, and no host works more than the peak leaves it."""
    hosts = own.hosts_for(volume)
    assert own.per_host * hosts >= volume
    if hosts > own.price.hosts:
        assert own.per_host * (hosts - 1) < volume
    assert own.duty(volume) * own.peak_factor <= Decimal("1.0000001")


@given(st.integers(1, 10**9), st.builds(Mix, st.integers(1, 8000), st.integers(1, 4000)), apis)
def test_requests_and_tokens_say_the_same(count: int, mix: Mix, hosted: HostedModel) -> None:
    """A price per million tokens, per request and per month: there and back."""
    month = hosted.per_request(mix.input_tokens, mix.output_tokens) * count
    by_tokens = (
        hosted.input_usd * mix.input_tokens * count + hosted.output_usd * mix.output_tokens * count
    ) / 1_000_000
    assert month == by_tokens
    assert break_even_requests(month, month / count) in {count, count + 1}


def test_the_first_request_that_pays() -> None:
    """At 266,480 both cost the same; one less and the API is cheaper, one more and the fleet is."""
    found: Crossing = cross(fleet(), GPT_4O)
    assert found.at(266_480).fleet_usd == found.at(266_480).api_usd
    assert found.at(266_479).fleet_usd > found.at(266_479).api_usd
    assert found.at(266_481).fleet_is_cheaper


def test_the_volumes_shown_hold_the_crossings() -> None:
    """Round numbers from below the first crossing to beyond the last and what a host carries."""
    one = cross(fleet(), GPT_4O)
    shown = BreakEven(fleet(), (one, cross(fleet(), MINI)), None, {}, (), "").volumes()
    assert shown[:4] == (50_000, 100_000, 200_000, 500_000)
    assert shown[-1] == 20_000_000
