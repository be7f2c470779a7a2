"""What it costs: the bill before anything exists, the break-even, the ways to pay."""

from __future__ import annotations

from invoke.collection import Collection

from playbooks.cost_break_even import break_even
from playbooks.cost_compare import compare
from playbooks.cost_coverage import coverage
from playbooks.cost_decide import decide
from playbooks.cost_preview import preview
from playbooks.cost_refresh import refresh
from playbooks.cost_report import report
from playbooks.cost_reserve import reserve

ns = Collection("cost", coverage, break_even, compare, decide, preview, refresh, report, reserve)
