"""The program as Pulumi's language host runs it, and its failures."""

from __future__ import annotations

import runpy
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from moto import mock_aws

from provision.errors import CloudError, ConfigError, Refused
from rehearsal.provisioning import provision, provisioned_by
from tests.infra.scenes import PUBLIC_KEY, ROOT, described, scene

PROGRAM = ROOT / "infra"


def test_the_folder_runs_as_the_language_host_runs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`main:` of Pulumi.yaml is run by runpy; the stack's name selects the environment file."""
    environment = described("rehearsal")
    key = tmp_path / environment.access.identity_file.removeprefix("~/")
    key.parent.mkdir(parents=True)
    key.with_suffix(".pub").write_text(PUBLIC_KEY)
    monkeypatch.setenv("HOME", str(tmp_path))
    with mock_aws():
        made = provisioned_by(
            lambda: runpy.run_path(str(PROGRAM), run_name="__main__"), environment
        )
    expected = [d.key for d in scene("rehearsal").provisioned.declared]
    assert sorted(d.key for d in made.declared) == sorted(expected)


def test_no_module_hides_one_of_pythons() -> None:
    """The language host puts the program's folder first on the path."""
    names = {path.stem for path in PROGRAM.glob("*.py")}
    assert names & sys.stdlib_module_names == set()


def test_a_guard_stops_the_program_before_the_first_resource() -> None:
    """Refused, and nothing was made."""
    environment = described("prod")
    steps: list[str] = []
    with mock_aws(), pytest.raises(ConfigError, match=r"fleet\.ami"):
        provision(
            replace(environment, fleet=replace(environment.fleet, ami=None)),
            public_key=PUBLIC_KEY,
            on_step=steps.append,
        )
    assert steps == []


def test_a_type_that_the_region_does_not_sell_is_refused() -> None:
    """Found out while the program asks for zones: moto has g7e in two."""
    environment = described("dev")
    fleet = replace(environment.fleet, instance_type="g7e.2xlarge", zones=3)
    with mock_aws(), pytest.raises(Refused, match="is sold in 2 zone"):
        provision(replace(environment, fleet=fleet), public_key=PUBLIC_KEY)


def test_what_aws_refuses_names_the_resource() -> None:
    """A retention that CloudWatch does not know: moto would take it."""
    environment = described("dev")
    observability = replace(environment.observability, log_retention_days=31)
    with mock_aws(), pytest.raises(CloudError, match=r"LogGroup observability-hosts.*31 days"):
        provision(replace(environment, observability=observability), public_key=PUBLIC_KEY)


def test_a_rehearsal_does_not_change_what_it_made() -> None:
    """A second run with another idle timeout is refused, with the way out."""
    environment = described("dev")
    with mock_aws():
        provision(environment, public_key=PUBLIC_KEY)
        engine = replace(environment.engine, longest_generation_s=60)
        with pytest.raises(Refused, match="rehearse again"):
            provision(replace(environment, engine=engine), public_key=PUBLIC_KEY)
