"""The floors of the house: imports point down only (CONTRIBUTING.md, "The floors")."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("provision", "infra", "playbooks", "rehearsal")

# The longest prefix that matches a module decides its floor.
FLOORS = {
    "provision.errors": 1,
    "provision.secret": 1,
    "provision.config": 2,
    "provision.catalog": 2,
    "provision.render": 2,
    "provision.commands": 3,
    "provision.facts": 4,
    "provision.planning": 5,
    "provision.connectors": 5,
    "provision.executor": 6,
    "infra": 6,
    "provision.report": 6,
    "provision.testing": 6,
    "rehearsal": 7,
    "playbooks": 8,
}
# They run elsewhere, so each stands alone.
ELSEWHERE = {
    "provision.agent": "the host program",
    "provision.switch": "the switch",
    "provision.gateway": "the gateway",
}
# One front asks both for keys, so both answer with the same code; it ships in the gateway's image.
GATEWAY_TAKES_ALONG = {f"provision.agent.{name}" for name in ("errors", "keys", "server", "system")}
WINGS = {
    ("provision.planning", "provision.connectors"),
    ("provision.connectors", "provision.planning"),
}
# The program declares: of the decisions it knows only the bill, for its budget.
INFRA_KNOWS = {
    "provision.errors",
    "provision.config",
    "provision.catalog",
    "provision.render",
    "provision.commands",
    "provision.planning.cost",
}
MAY_IMPORT_INFRA = {"rehearsal", "playbooks"}
MAY_IMPORT_REHEARSAL = {"playbooks.rehearse"}


def modules() -> dict[str, Path]:
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = path
    return found


def imports(path: Path) -> set[str]:
    """Modules of ours that a file imports, at its top or inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.split(".")[0] in PACKAGES}


def place(module: str) -> str | None:
    candidates = [p for p in (*FLOORS, *ELSEWHERE) if module == p or module.startswith(p + ".")]
    return max(candidates, key=len) if candidates else None


def known(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def offences(module: str, imported: set[str]) -> list[str]:
    here = place(module)
    if here is None:
        return [] if module == "provision" else [f"{module} stands on no floor"]
    found = []
    for name in sorted(imported):
        there = place(name)
        if there is None or there == here:
            continue
        if here == "provision.gateway" and any(known(name, p) for p in GATEWAY_TAKES_ALONG):
            continue
        if here in ELSEWHERE:
            found.append(f"{module} -> {name}: {ELSEWHERE[here]} imports only itself")
        elif there in ELSEWHERE:
            found.append(f"{module} -> {name}: {ELSEWHERE[there]} runs elsewhere")
        elif (here, there) in WINGS:
            found.append(f"{module} -> {name}: the wings don't know each other")
        elif there == "rehearsal" and module not in MAY_IMPORT_REHEARSAL:
            found.append(f"{module} -> {name}: only playbooks.rehearse knows the rehearsal")
        elif here == "infra" and not any(known(name, p) for p in INFRA_KNOWS):
            found.append(f"{module} -> {name}: the program declares, it neither decides nor acts")
        elif there == "infra" and here not in MAY_IMPORT_INFRA:
            found.append(f"{module} -> {name}: only tasks and the rehearsal run the program")
        elif FLOORS[there] > FLOORS[here]:
            found.append(f"{module} -> {name}: upwards")
    return found


def test_imports_point_down() -> None:
    """No module imports from a higher floor, from the other wing, or into what runs elsewhere."""
    found = [o for name, path in modules().items() for o in offences(name, imports(path))]
    assert found == []


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("provision.planning.deploy", "provision.connectors.aws"),
        ("provision.config.load", "provision.planning.plan"),
        ("provision.agent.apply", "provision.errors"),
        ("provision.executor", "provision.agent.apply"),
        ("provision.switch.decide", "provision.errors"),
        ("provision.switch.cloud", "provision.agent.cloud"),
        ("provision.planning.status", "provision.switch.values"),
        ("provision.gateway.app", "provision.errors"),
        ("provision.gateway.app", "provision.agent.docker"),
        ("provision.executor", "provision.gateway.counter"),
        ("playbooks.deploy", "rehearsal.world"),
        ("infra.program", "provision.planning.deploy"),
        ("infra.program", "provision.executor"),
        ("provision.report.plan", "infra.program"),
        ("provision.stray", "provision.errors"),
    ],
)
def test_the_rule_bites(module: str, imported: str) -> None:
    """A planted offender is found."""
    assert offences(module, {imported})


def test_a_package_does_not_import_its_own_face() -> None:
    """Modules import each other by name, not through their package's ``__init__``."""
    faces = {name for name, path in modules().items() if path.name == "__init__.py"}
    found = [
        f"{name} imports names from {target}"
        for name, path in modules().items()
        for target, names in from_imports(path)
        if target in faces
        and name.startswith(target + ".")
        and any(f"{target}.{n}" not in modules() for n in names)
    ]
    assert found == []


def from_imports(path: Path) -> list[tuple[str, list[str]]]:
    return [
        (node.module, [alias.name for alias in node.names])
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module
    ]


def test_modules_stay_small() -> None:
    """Past 300 lines a module holds a second noun."""
    long = {n: len(p.read_text().splitlines()) for n, p in modules().items()}
    assert {name: lines for name, lines in long.items() if lines > 300} == {}
