"""Our engine fails in every way, hosted APIs in every way, and both: who is lost then."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.hosted.standing import Standing
from tests.hosted.way import READ_S, Way, way
from tests.hosted.ways import HEAD, Cell, Row, cells, line, run

REQUESTS = 2
SHORT = ("fine", "500", "no gateway")  # second tiers of every run; the others are for the soak
ROWS: list[Row] = []


@pytest.fixture(scope="module")
def here(gateway: Standing) -> Iterator[Way]:
    """A host before the gateway of this folder."""
    with way(gateway) as found:
        yield found
    gateway.settled()


def name_of(cell: Cell) -> str:
    return f"{cell.primary.name}, then {cell.secondary.name}"


def _marked(cell: Cell) -> Any:
    mark = pytest.mark.lab if cell.secondary.name in SHORT else pytest.mark.soak
    return pytest.param(cell, marks=mark, id=name_of(cell))


@pytest.mark.parametrize("cell", [_marked(cell) for cell in cells()])
def test_cell(cell: Cell, here: Way) -> None:
    """Nobody is lost; where a tier lives everybody is answered, but streams that had begun."""
    rows = run(cell, here, REQUESTS)
    ROWS.extend(rows)
    for row in rows:
        by, told = row.by, line(row)
        assert by["lost"] == 0, told
        if cell.primary.answers:
            assert by["primary"] == row.asked, told
        elif cell.secondary.well:
            assert by["none"] == 0, told
            assert by["hosted"] + by["cut"] == row.asked, told
        else:
            assert row.answered == 0, told
        assert by["cut"] == (row.struck if row.stream else 0), told
        assert row.worst_s < 2 * READ_S + 2, told
        assert {reply.code for reply in row.replies if reply and reply.tier == "none"} <= {
            "nobody_answers" if cell.secondary.gone else "providers_failed"
        }


@pytest.mark.lab
def test_streams_that_were_cut_had_words() -> None:
    """In mid-stream means what it says."""
    rows = [row for row in ROWS if row.cell.primary.name == "cut in mid-stream" and row.stream]
    assert rows
    assert all(row.by["cut"] and row.tokenless == 0 for row in rows)


@pytest.mark.lab
def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Every cell was run; this is what came of them."""
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join([HEAD, *map(line, ROWS)]) + "\n")
    wanted = [cell for cell in cells() if cell.secondary.name in SHORT]
    assert {row.cell for row in ROWS} >= set(wanted)
