"""The golden invoices: computed by a script that knows nothing of the tool."""

from __future__ import annotations

import ast
import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from invoke.program import Program

import playbooks
from tests.golden import make_invoices
from tests.golden.make_invoices import CASES, GOLDEN, Case, path

PAID = ("monthly_usd", "upfront_usd", "amortised_monthly_usd")
EACH = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@pytest.fixture
def preview(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Any:
    """`fab cost.preview --env NAME --json`, typed where the environment's file is."""
    monkeypatch.setenv("HOME", str(tmp_path))

    def project(case: Case) -> Path:
        """This repository, or a project that has the file of the case."""
        root = GOLDEN.parents[1]
        if not case.folder:
            return root
        name = f"Pulumi.{case.environment.name}.yaml"
        (tmp_path / "Pulumi.yaml").write_text((root / "Pulumi.yaml").read_text())
        (tmp_path / name).write_text((root / case.folder / name).read_text())
        return tmp_path

    def run(case: Case) -> dict[str, Any]:
        monkeypatch.chdir(project(case))
        words = ["fab", "cost.preview", "--env", case.environment.name, "--json"]
        words += ["--usage", case.flag] if case.flag else []
        Program(namespace=playbooks.ns, name="fab").run(words, exit=False)
        document: dict[str, Any] = json.loads(capsys.readouterr().out)
        return document

    return run


@EACH
def test_the_tool_arrives_at_the_same_cents(case: Case, preview: Any) -> None:
    """Every line, the total, and every way to pay, each by its own way from the same prices."""
    said = preview(case)
    kept = json.loads(path(case).read_text())
    assert said["total_monthly_usd"] == kept["total_monthly_usd"]
    assert lines(said["components"]) == lines(kept["lines"])
    assert said["unpriced"] == []
    known = {
        name: {
            key: option[key] for key in (*PAID, "low_usd", "high_usd") if option[key] is not None
        }
        for name, option in said["options"].items()
        if option["monthly_usd"] is not None
    }
    assert known == kept["options"]


def lines(components: list[dict[str, Any]]) -> list[tuple[str, Decimal, Decimal, str]]:
    """Each line by all that is not words."""
    return sorted(
        (
            line["resource"],
            Decimal(line["quantity"]),
            Decimal(line["unit_price_usd"]),
            line["monthly_usd"],
        )
        for line in components
    )


@EACH
def test_an_invoice_adds_up(case: Case) -> None:
    """The total is the sum of its lines, and each option spreads its cash over its term."""
    kept = json.loads(path(case).read_text())
    months = [Decimal(line["monthly_usd"]) for line in kept["lines"]]
    assert sum(months) == Decimal(kept["total_monthly_usd"])
    for name, option in kept["options"].items():
        term = 12 * int(name[9]) if name.startswith("reserved") else 1
        monthly, upfront, spread = (Decimal(option[key]) for key in PAID)
        assert abs(monthly + upfront / term - spread) <= Decimal("0.01")


@EACH
def test_an_invoice_is_what_the_script_makes(case: Case) -> None:
    """Nobody has touched a figure by hand (mend: run tests/golden/make_invoices.py)."""
    kept = json.loads(path(case).read_text())
    assert kept == make_invoices.invoice(case)


def test_the_script_has_its_own_eyes() -> None:
    """It imports the standard library and nothing else, so it can't repeat our mistakes."""
    tree = ast.parse(Path(make_invoices.__file__).read_text())
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= set(sys.stdlib_module_names)
