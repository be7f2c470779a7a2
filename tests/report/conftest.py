"""Golden files: whole texts, reviewed as a diff."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--update-golden`` writes what is said now."""
    parser.addoption("--update-golden", action="store_true", help="write golden files anew")
