"""The gateway alone, with real LiteLLM, against hosted APIs that fail in every way."""

from __future__ import annotations

import sys

import pytest

from tests.hosted.matrix import HEAD, Cell, Row, cells, line, run
from tests.hosted.standing import Standing

pytestmark = pytest.mark.lab

REQUESTS = 2
ROWS: list[Row] = []
# Who must have answered, where it is not B because A can't.
BY = {
    ("A is well", False): {"A"},
    ("A is well", True): {"A"},
    ("A stalls", True): {"cut", "B"},
    ("A breaks off", True): {"cut", "B"},
    ("both answer 500", False): {"none"},
    ("both refuse", True): {"none"},
    ("both refuse, answer kept", False): {"stale"},
    ("both refuse, answer kept", True): {"stale"},
    ("day's cap reached", False): {"none"},
    ("cap reached, answer kept", False): {"stale"},
    ("85 %, key of low priority", False): {"none"},
    ("85 %, other key", False): {"A"},
    ("DynamoDB away", False): {"none"},
    ("client hangs up", True): {"cut"},
}
CODES = {
    "both answer 500": "providers_failed",
    "both refuse": "providers_failed",
    "day's cap reached": "budget_spent",
    "85 %, key of low priority": "budget_spent",
    "DynamoDB away": "spend_unknown",
}


def name_of(cell: Cell) -> str:
    return f"{cell.name}, {'stream' if cell.stream else 'whole'}"


@pytest.mark.parametrize("cell", cells(), ids=name_of)
def test_cell(cell: Cell, gateway: Standing) -> None:
    """Answered by whoever can, within the time-outs, and settled as billed."""
    breaks = cell.stream and cell.name in ("A stalls", "A breaks off")
    row = run(cell, gateway, REQUESTS + breaks)
    ROWS.append(row)
    # A provider that breaks streams off is left alone, too.
    assert not breaks or row.by["B"] >= 1, line(row)
    assert set(row.by) <= BY.get((cell.name, cell.stream), {"B"}), line(row)
    assert row.worst_s < 8, line(row)
    for reply in row.replies:
        if reply.tier == "none":
            assert (reply.status, reply.code) == (503, CODES[cell.name])
            assert int(reply.headers["retry-after"]) >= 1
        if reply.tier == "stale":
            assert 0 <= int(reply.headers["x-llm-stale-age"]) < 60
    if cell.exact:
        assert (row.settled, row.guessed) == (row.billed, 0), line(row)
    elif cell.name != "client hangs up":
        assert row.settled >= row.billed, line(row)


def test_what_a_client_that_left_has_cost_is_nearly_what_is_billed() -> None:
    """The provider has made a few tokens more than had arrived when the client left."""
    row = next(row for row in ROWS if row.cell.name == "client hangs up")
    assert row.guessed == 0
    assert 0 < row.settled <= row.billed <= row.settled + REQUESTS * 6, line(row)


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Every cell was run; this is what came of them."""
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join([HEAD, *map(line, ROWS)]) + "\n")
    assert len(ROWS) == len(cells())
