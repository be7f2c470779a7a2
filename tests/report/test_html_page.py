"""The cost report as one HTML document.

``pytest tests/report --update-golden`` writes the file anew.
"""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import pytest

from provision.planning.cost.bill import Option
from provision.planning.cost.preview import Preview
from provision.report.html import bill as bills
from provision.report.html import headline, sources
from provision.report.html.page import page
from tests.report.cost_samples import (
    BARE,
    BILL,
    BREAK_EVEN,
    COMPARISON,
    HEARSAY,
    LINES,
    LIST,
    NASTY,
    PAGE,
    PREVIEW,
    REPORT,
)

GOLDEN = Path(__file__).parent.parent / "golden" / "reports" / "cost.html"
VOID = {"meta", "link", "br", "img", "hr", "input"}
URL = re.compile(r"(?:[a-z]+:)?//|url\(|@import|\b(?:src|href|action|poster)\s*=", re.IGNORECASE)


class Document(HTMLParser):
    """Elements with their attributes, and whether every one that opens closes in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: dict[str, list[str]] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.text.setdefault(tag, []).append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, (tag, self.getpos())

    def handle_data(self, data: str) -> None:
        for tag in set(self.open):
            self.text[tag][-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def document() -> Document:
    return Document(page(REPORT))


def test_the_whole_page(request: pytest.FixtureRequest) -> None:
    """Every character, reviewed as a diff."""
    said = page(REPORT)
    if request.config.getoption("--update-golden", default=False):
        GOLDEN.write_text(said)
    assert said == GOLDEN.read_text()


def test_it_stands_alone() -> None:
    """Nothing is fetched and nothing runs; the browser is told to see to it."""
    said = page(REPORT)
    assert URL.findall(said) == []
    assert "<script" not in said.lower()
    assert re.findall(r"\son[a-z]+\s*=", said) == []
    assert "default-src 'none'" in said


def test_what_others_wrote_is_text() -> None:
    """Names, notes and sources can't become elements, in the page and in the drawing."""
    said = page(
        replace(
            REPORT,
            subject=NASTY,
            here=NASTY,
            command=NASTY,
            preview=replace(PREVIEW, warnings=(NASTY,)),
        )
    )
    assert NASTY not in said
    assert said.count("&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt; &amp; &#34;quoted") == 5
    assert "a page &lt;b&gt;copied&lt;/b&gt; &amp; pasted" in said
    assert said.count("8B-Instruct-Turbo&lt;hosted&gt;") >= 4
    assert "&amp;lt;" not in said


def test_elements_close_and_ids_are_unique(document: Document) -> None:
    """A browser has nothing to guess."""
    assert document.open == []
    ids = [attributes["id"] for _, attributes in document.elements if attributes.get("id")]
    assert len(ids) == len(set(ids))
    named = [
        a.get(by) for _, a in document.elements for by in ("aria-labelledby", "aria-describedby")
    ]
    assert {name for name in named if name} <= set(ids)


def test_tables_and_drawings_can_be_heard(document: Document) -> None:
    """Headers have a scope, tables a caption, drawings a title and a description."""
    assert all(header.get("scope") for header in document.all("th"))
    assert len(document.all("caption")) == len(document.all("table")) == 6
    assert [svg["role"] for svg in document.all("svg")] == ["img", "img"]
    assert len(document.all("desc")) == len(document.all("svg"))
    assert all("pays" in one or "never" in one for one in document.text["desc"])
    assert ("html", {"lang": "en"}) in document.elements


def test_a_report_without_anything_to_compare() -> None:
    """An empty bill, no capacity known, no types: said, not hidden."""
    said = page(BARE)
    assert Document(said).open == []
    assert "Nobody knows what the fleet carries" in said
    assert "<svg" not in said
    assert "Other instances" not in said


def test_an_unknown_price_is_not_zero() -> None:
    """The line says unknown, its resource that there is more, the headline that it costs more."""
    said = page(REPORT)
    assert "No price is known for 1 of the bill&#39;s items: it costs more than is shown" in said
    assert "over $1,545" in said
    assert "Total of what has a price" in said
    [row] = [
        line
        for line in said.splitlines()
        if line.startswith('<tr class="line"') and ">initialization<" in line
    ]
    assert row.count("unknown") == 3
    assert "$0.00" not in row
    cache = next(branch for branch in bills.tree(LINES) if branch.resource == "cache")
    assert (cache.known, cache.incomplete) == (Decimal("6.40"), True)
    nothing = replace(cache, lines=tuple(line for line in cache.lines if line.price is None))
    assert (nothing.known, nothing.incomplete) == (None, False)


def test_a_warning_is_said_once() -> None:
    """Bill, break-even and comparison find the same prices old, each in its own words."""
    old = "days old: `fab cost.refresh` asks AWS for today's"
    aged = replace(
        REPORT,
        preview=replace(PREVIEW, warnings=(f"prices are of 2026-05, 174 {old}", "beware")),
        break_even=replace(
            BREAK_EVEN, warnings=(f"on-demand: prices are of 2026-01..2026-05, 174 {old}",)
        ),
    )
    said = page(aged)
    assert said.count("174 days old: <code>fab cost.refresh</code> asks") == 1
    assert "<li>beware</li>" in said


def test_the_tree_adds_up() -> None:
    """Every line stands in one branch, the dearest branch first, totals are the bill's."""
    branches = bills.tree(BILL.lines)
    assert sorted(str(x) for b in branches for x in b.lines) == sorted(str(x) for x in LINES)
    assert sum(branch.total for branch in branches) == BILL.total == Decimal("1544.56")
    assert [branch.resource for branch in branches] == [
        "fleet",
        "net-nat-1",
        "balancer",
        "cache",
        "endpoint-s3",
    ]
    assert [branch.resource for branch in branches if branch.incomplete] == ["cache"]


def test_the_bar_is_the_whole() -> None:
    """The five dearest and the rest; what costs nothing has no part; nothing of nothing."""
    many = [replace(LINES[2], resource=f"r{n}", quantity=Decimal(n + 1)) for n in range(9)]
    parts = bills.parts(bills.tree(many))
    assert [part.name for part in parts] == ["r8", "r7", "r6", "r5", "r4", bills.REST]
    assert sum(part.usd for part in parts) == sum(line.monthly or 0 for line in many)
    assert "endpoint-s3" not in [part.name for part in bills.parts(bills.tree(LINES))]
    assert bills.parts(()) == ()


def test_every_price_has_its_source() -> None:
    """Bill, hosted models, other types and ways to pay: most of the bill first, unverified last."""
    found = sources.sources(
        [
            *sources.of_bill(BILL),
            *sources.of_break_even(BREAK_EVEN),
            *sources.of_comparison(COMPARISON, "g5.xlarge"),
        ]
    )
    assert [(one.origin, one.used_for) for one in found] == [
        (
            LIST,
            (
                *("g5.xlarge, on-demand", "root volumes", "load balancer", "capacity units"),
                *("gpt-4o", "claude-haiku-4-5", "gpt-4o-mini", "tiny"),
                *("other instances", "g5.xlarge: Spot"),
            ),
        ),
        (PAGE, ("NAT gateway", "data processed")),
        (
            HEARSAY,
            (
                *("gateway endpoint", "volumes"),
                "deepinfra/meta-llama/Meta-Llama-3.1-8B-Instruct-Turbo<hosted>",
                "g5.xlarge: Reserved, 1 year, no upfront",
            ),
        ),
    ]
    assert list(sources.of_break_even(None)) == list(sources.of_comparison(None, "")) == []


def test_the_best_way_to_pay_is_a_verified_one() -> None:
    """Three years from memory would be cheaper, but nobody has looked; spot is no commitment."""
    ways = bills.ways(BILL.options)
    assert [way.option.name for way in ways if way.best] == ["reserved-1y-all-upfront"]
    assert ways[0].saving is None
    assert ways[1].saving == BILL.options[1].amortised / BILL.options[0].amortised - 1  # type: ignore[operator]
    assert bills.unknown_ways(BILL.options) == (
        ("no price known for g5.xlarge in us-east-1", ("savings-plan-ec2-1y-no-upfront",)),
        ("no price known for g5.xlarge", ("capacity-block",)),
    )


def test_the_headline_says_what_is_unverified() -> None:
    """A commitment from memory is marked; without any the headline says so."""
    memory = with_options(BILL.options[0], BILL.options[4])
    assert headline.cost(memory).sentences[1] == (
        "~$674 with the cheapest known commitment (reserved, 3 years, partial upfront), $10,575 of"
        " it paid in advance."
    )
    assert headline.cost(with_options(BILL.options[0])).sentences[1] == (
        "No price of a commitment is known for it."
    )
    assert bills.unverified(BILL) == Decimal("6.40")
    assert bills.unverified(replace(BILL, lines=LINES[:2])) is None


def test_the_headline_when_it_never_pays() -> None:
    """Never, and why; and when the assumed traffic is too much for the hosts."""
    never = replace(BREAK_EVEN, crossings=BREAK_EVEN.crossings[4:], asked=10_000_000)
    assert headline.pays(never).value == "never"
    assert headline.carries(never, "").sentences[0] == (
        "The assumed 10M keep it 64\u00a0% busy on average: its busiest hour needs 3 hosts, there"
        " are 2."
    )
    pays = headline.pays(BREAK_EVEN)
    assert pays.value == "from 562k"
    assert pays.sentences[0] == "At the assumed 1M gpt-4o costs $2,750 a month, this fleet $1,545."


def with_options(*options: Option) -> Preview:
    return replace(PREVIEW, bill=replace(BILL, options=options))
