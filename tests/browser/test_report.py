"""The cost report as a person sees it, with the network switched off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.report.html.page import Report, page
from tests.browser.chromium import Chromium
from tests.report.cost_samples import BARE, REPORT

pytestmark = pytest.mark.browser

PHONE, DESKTOP = 390, 1280
PAPER = 688  # A4 less its margins
WIDTHS = (320, PHONE, 600, 832, 840, 1000, DESKTOP)
REPORTS = {"whole": REPORT, "bare": BARE}

OVERHANGING = """
[...document.querySelectorAll("main *")]
  .filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5)
  .map(e => e.tagName + " " + (e.getAttribute("class") || "") + " " + e.textContent.slice(0, 40))
"""
# Text against what is painted behind it, by the formula of WCAG 2.2; SVG text by its fill.
FAINT = """
(() => {
  const parse = said => said.match(/[\\d.]+/g).map(Number);
  const over = (top, under) => {
    const a = top.length > 3 ? top[3] : 1;
    return [0, 1, 2].map(i => top[i] * a + under[i] * (1 - a));
  };
  const luminance = rgb => rgb.map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = e => e === null ? [255, 255, 255] :
    over(parse(getComputedStyle(e).backgroundColor), behind(e.parentElement));
  const found = [];
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || !e.getClientRects().length || e.closest("title, desc")) continue;
    const style = getComputedStyle(e), ground = behind(e);
    const ink = over(parse(e.closest("svg") ? style.fill : style.color), ground);
    const [a, b] = [luminance(ink), luminance(ground)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) found.push(e.textContent.slice(0, 30) + " " + ratio.toFixed(2));
  }
  return found;
})()
"""
SMALL = """
[...document.querySelectorAll("body *")]
  .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()))
  .filter(e => e.getClientRects().length && !e.closest("title, desc"))
  .map(e => {
    const svg = e.closest("svg");
    const scale = svg ? svg.getBoundingClientRect().width / svg.viewBox.baseVal.width : 1;
    return [parseFloat(getComputedStyle(e).fontSize) * scale, e.textContent.slice(0, 30)];
  })
  .filter(([size]) => size < 11)
"""
SEEN = """
[...document.querySelectorAll("svg")].filter(e => e.getClientRects().length)
  .map(e => e.classList[0])
"""
HEADINGS = """
[...document.querySelectorAll("h1, h2, h3")].map(e => e.tagName + " " + e.textContent)
"""
BACKGROUND = "getComputedStyle(document.body).backgroundColor"
# Letters of the drawing that lie on each other.
COVERED = """
(() => {
  const boxes = [...document.querySelectorAll("svg text")].filter(e => e.getClientRects().length)
    .map(e => [e.textContent, e.getBoundingClientRect()]);
  const found = [];
  boxes.forEach(([one, a], i) => boxes.slice(i + 1).forEach(([other, b]) => {
    const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (wide > 1 && high > 3) found.push(one + " / " + other);
  }));
  return found;
})()
"""


@pytest.fixture(scope="module", params=sorted(REPORTS))
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file as the task writes it."""
    made: Report = REPORTS[request.param]
    path = tmp_path_factory.mktemp("report") / "cost.html"
    path.write_text(page(made), encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def quiet(chromium: Chromium) -> Iterator[None]:
    """Whatever a test does: the console says nothing, and only the file itself is asked for."""
    chromium.complaints.clear()
    chromium.requested.clear()
    yield
    assert chromium.complaints == []
    assert {url.partition(":")[0] for url in chromium.requested} == {"file"}
    assert len(set(chromium.requested)) == 1


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_sticks_out(chromium: Chromium, report: Path, width: int) -> None:
    """No sideways scrolling, from the smallest phone to a desk."""
    chromium.open(report, width=width)
    assert chromium.value(OVERHANGING) == []
    assert chromium.value("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_everything_can_be_read(chromium: Chromium, report: Path, width: int, dark: bool) -> None:
    """Contrast of 4.5 to 1 at the least, letters of 11 points at the least, none on another."""
    chromium.open(report, width=width, dark=dark)
    assert chromium.value(FAINT) == []
    assert chromium.value(SMALL) == []
    assert chromium.value(COVERED) == []


def test_the_dark_mode_is_dark(chromium: Chromium, report: Path) -> None:
    """The ground changes with the reader's choice; on paper it stays white."""
    chromium.open(report, width=DESKTOP)
    assert chromium.value(BACKGROUND) == "rgb(255, 255, 255)"
    chromium.media("screen", dark=True)
    assert chromium.value(BACKGROUND) == "rgb(20, 23, 27)"
    chromium.media("print", dark=True)
    assert chromium.value(BACKGROUND) == "rgb(255, 255, 255)"
    chromium.media("screen")


def test_it_prints(chromium: Chromium, report: Path, tmp_path: Path) -> None:
    """On a few pages of A4, in dark mode too, with nothing wider than the paper."""
    chromium.open(report, width=DESKTOP, dark=True)
    chromium.print_to(tmp_path / "cost.pdf")
    printed = (tmp_path / "cost.pdf").read_bytes()
    assert printed.startswith(b"%PDF-")
    assert 1 <= printed.count(b"/Type /Page\n") + printed.count(b"/Type /Page ") <= 12


class TestTheWholeReport:
    """What the bare one lacks."""

    @pytest.fixture
    def whole(self, tmp_path: Path) -> Path:
        path = tmp_path / "cost.html"
        path.write_text(page(REPORT), encoding="utf-8")
        return path

    def test_one_curve_is_drawn_for_the_screen_there_is(
        self, chromium: Chromium, whole: Path
    ) -> None:
        """The phone gets its own, so that letters keep their size; nobody hears it twice."""
        chromium.open(whole, width=DESKTOP)
        assert chromium.value(SEEN) == ["wide"]
        chromium.screen(PHONE)
        assert chromium.value(SEEN) == ["narrow"]
        assert chromium.names("image") == ["US dollars a month over requests a month"]

    def test_paper_is_no_phone(self, chromium: Chromium, whole: Path) -> None:
        """A4 within its margins is narrower than a desk, and gets tables all the same."""
        chromium.open(whole, width=PAPER)
        chromium.media("print")
        assert chromium.value(SEEN) == ["wide"]
        assert chromium.value(OVERHANGING) == []
        assert chromium.value(COVERED) == []
        rows = "getComputedStyle(document.querySelector('.cards tbody tr')).display"
        assert chromium.value(rows) == "table-row"

    @pytest.mark.parametrize("width", [PHONE, DESKTOP])
    def test_a_screen_reader_finds_its_way(
        self, chromium: Chromium, whole: Path, width: int
    ) -> None:
        """Headings in order; tables stay tables with headers, also where they look like cards."""
        chromium.open(whole, width=width)
        headings = chromium.value(HEADINGS)
        assert headings == [
            "H1 What prod costs",
            *("H2 What it costs", "H2 When it pays", "H2 What it carries"),
            *("H2 The bill", "H3 Without a charge of their own"),
            "H2 Ways to pay",
            *("H2 When it pays", "H3 What this rests on"),
            "H2 Other instances",
            *("H2 What is assumed", "H3 What no preview can know"),
            "H2 Where the prices come from",
        ]
        assert len(chromium.names("heading")) == len(headings)
        assert len(chromium.names("table")) == 6
        headers = chromium.names("columnheader")
        assert {"Cash now", "Each month", "Pays from, requests a month", "Hosts"} <= set(headers)
        assert {"On-demand", "g6.xlarge 1 × L4, 22 GiB"} <= set(chromium.names("rowheader"))

    def test_what_others_wrote_did_not_run(self, chromium: Chromium, whole: Path) -> None:
        """Names with tags in them are text; there is no script in the page at all."""
        chromium.open(whole, width=DESKTOP)
        assert chromium.value("document.scripts.length") == 0
        assert chromium.value("document.body.innerText.includes('<script>alert(\"x\")')") is True
