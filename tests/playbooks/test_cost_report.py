"""``fab cost.report`` as a person or a script types it."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from math import ceil
from pathlib import Path

import pytest
from invoke import Context, Exit

from playbooks import cost_report
from provision.planning.cost.beside import beside_hosts
from tests.report.cost_samples import BILL, PREVIEW

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def in_project(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the project's folder, with a preview that needs no Pulumi."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(cost_report, "previewed", lambda place: PREVIEW)


def refused(capsys: pytest.CaptureFixture[str], **flags: str) -> tuple[int, str]:
    """Exit code and message; stdout stays empty."""
    with pytest.raises(Exit) as end:
        cost_report.report(Context(), env="prod", **flags)
    said = capsys.readouterr()
    assert said.out == ""
    return end.value.code, said.err


def test_the_whole_way(tmp_path: Path) -> None:
    """From the shell, through the Pulumi program: a file with the bill of `fab cost.preview`."""
    path = tmp_path / "prod.html"
    words = [sys.executable, "-m", "fabric", "cost.report", "--env", "prod", "--out", str(path)]
    done = subprocess.run([*words, "--json"], cwd=ROOT, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)
    total = Decimal(said["total_monthly_usd"])
    assert said == {
        "file": str(path),
        "bytes": path.stat().st_size,
        "environment": "prod",
        "total_monthly_usd": said["total_monthly_usd"],
        "unpriced": 0,
        "break_even_requests_per_month": {
            "gpt-4o": ceil(total / Decimal("0.00275")),
            "claude-haiku-4-5": ceil(total / Decimal("0.0012")),
            "gpt-4o-mini": ceil(total / Decimal("0.000165")),
        },
        "capacity_requests_per_month": said["capacity_requests_per_month"],
        "instances_compared": said["instances_compared"],
        "price_date": said["price_date"],
    }
    text = path.read_text(encoding="utf-8")
    assert f'<td class="n">${total:,}</td></tr></tfoot>' in text
    assert text.count("<svg") == 2


def test_its_own_words(
    in_project: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the file is and what its headline says; flags change the break-even."""
    path = tmp_path / "cost.html"
    cost_report.report(
        Context(),
        env="prod",
        api="gpt-4o, 0.01/0.02",
        out=str(path),
        pricing="reserved-1y-no-upfront",
        engineering_monthly="200",
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        f"{path}: over $1,544.56 a month for prod",
        "  1 without a known price, named in the file",
    ]
    assert lines[3] == "  pays against 0.01/0.02: never, even full hosts cost more a request"
    # 2 x 0.634 x 730 + what stands beside the hosts + 200, by 0.00275
    expected = (Decimal("925.64") + beside_hosts(BILL) + 200) / Decimal("0.00275")
    assert f"{expected / 1000:.0f}k" in lines[2]
    assert "200 $ a month for people" in path.read_text(encoding="utf-8")


def test_beside_the_hosts() -> None:
    """All but the instances' hours, and nothing for a line without a price."""
    assert beside_hosts(BILL) == BILL.total - Decimal("1468.76") == Decimal("75.80")


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        ({"api": "gpt-4oo"}, 2, "unknown hosted model 'gpt-4oo'\n  next: did you mean gpt-4o"),
        ({"api": " , "}, 2, "--api: which hosted model?"),
        ({"pricing": "reserved-9y"}, 2, "unknown pricing 'reserved-9y'"),
        ({"usage": "requests=5"}, 2, "did you mean requests_per_month"),
        ({"engineering_monthly": "-1"}, 2, "--engineering-monthly '-1' is no amount"),
        ({"out": "/nowhere/at/all.html"}, 2, "--out /nowhere/at/all.html: No such file"),
    ],
)
def test_what_is_refused(
    in_project: None,
    capsys: pytest.CaptureFixture[str],
    flags: dict[str, str],
    code: int,
    said: str,
) -> None:
    """A message with the next thing to do, and no file."""
    found, message = refused(capsys, **flags)
    assert (found, said in message) == (code, True), message
