"""The golden invoices: computed by a script that knows nothing of the tool."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

import pytest

from tests.golden import make_invoices
from tests.golden.make_invoices import GOLDEN, PROD, PROD_70B, Environment

ENVIRONMENTS = pytest.mark.parametrize("environment", [PROD, PROD_70B], ids=lambda e: e.name)


@ENVIRONMENTS
def test_an_invoice_is_what_the_script_makes(environment: Environment) -> None:
    """Nobody has touched a figure by hand (mend: run tests/golden/make_invoices.py)."""
    kept = json.loads((GOLDEN / f"invoice-{environment.name}.json").read_text())
    assert kept == make_invoices.invoice(environment)


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
