"""What it costs: the bill before anything exists, the break-even, the ways to pay."""

from __future__ import annotations

from invoke.collection import Collection

from playbooks.cost_refresh import refresh

ns = Collection("cost", refresh)
