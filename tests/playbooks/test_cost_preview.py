"""`fab cost.preview`, as typed, over the project's own environments and the bundled prices."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest
from invoke.program import Program
from moto import mock_aws

import playbooks
from provision.config.dump import dump
from rehearsal.provisioning import provisioned
from tests.infra.scenes import PUBLIC_KEY, described

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Said:
    """How it ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Fab = Callable[..., Said]


@pytest.fixture
def fab(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Fab:
    """``fab("--env", "prod")`` types `fab cost.preview --env prod` in the project's folder."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("HOME", str(tmp_path))

    def run(*words: str) -> Said:
        code = 0
        try:
            Program(namespace=playbooks.ns, name="fab").run(["fab", "cost.preview", *words])
        except SystemExit as ended:
            code = int(ended.code or 0)
        return Said(code, *capsys.readouterr())

    return run


def test_the_document_has_the_fields_that_scripts_depend_on(fab: Fab) -> None:
    """Names and kinds of all of them; money is text."""
    said = fab("--env", "prod", "--json")
    document = said.json
    assert (said.code, said.err) == (0, "prod, named by --env\n")
    assert sorted(document) == [
        "assumptions", "components", "environment", "free", "left_out", "options", "per_request",
        "price_date", "region", "schema", "total_monthly_usd", "unpriced", "warnings",
    ]  # fmt: skip
    assert {tuple(sorted(one)) for one in document["components"]} == {
        (
            "assumed", "instance", "monthly_usd", "name", "note", "price_date", "price_source",
            "price_status", "quantity", "resource", "type", "unit", "unit_price_usd",
        )
    }  # fmt: skip
    assert {tuple(sorted(one)) for one in document["options"].values()} == {
        ("amortised_monthly_usd", "high_usd", "low_usd", "monthly_usd", "note", "upfront_usd",
         "verified")
    }  # fmt: skip
    total = sum(Decimal(one["monthly_usd"]) for one in document["components"])
    assert Decimal(document["total_monthly_usd"]) == total
    assert document["options"]["on-demand"]["monthly_usd"] == document["total_monthly_usd"]
    assert document["unpriced"] == []
    for load in ("stated", "full_load"):
        assert sorted(document["per_request"][load]) == [
            "basis", "requests_per_month", "total_monthly_usd", "usd_per_million_tokens",
            "usd_per_request",
        ]  # fmt: skip


@pytest.mark.parametrize("env", ["dev", "prod-70b", "rehearsal"])
def test_a_person_reads_it_in_a_terminal_of_a_hundred_columns(fab: Fab, env: str) -> None:
    """Nothing is wider, and the total stands in the first line and at the end of the table."""
    said = fab("--env", env)
    lines = said.out.splitlines()
    assert max(len(line) for line in lines) <= 100
    total = next(line for line in lines if line.startswith("total ")).split()[-1]
    assert f"${total} a month" in lines[0]


def test_the_page_shows_what_is_printed(fab: Fab) -> None:
    """The sample in docs/cost-preview.md is today's output for prod.

    After a change of prices: ``LLM_FLEET_WRITE_GOLDEN=1 pytest -k test_the_page``.
    """
    page = ROOT / "docs" / "cost-preview.md"
    before, sample, after = re.split(
        r"(?<=```text\n)|(?<=\n)(?=```\n\n## The budget)", page.read_text()
    )
    printed = fab("--env", "prod").out.split("\nnot in the total:")[0]
    if "LLM_FLEET_WRITE_GOLDEN" in os.environ:
        page.write_text(before + printed + after)
    assert sample == printed


def test_usage_is_what_it_was_said_to_be(fab: Fab) -> None:
    """Over the environment's own, with units as people write them."""
    usage = "requests_per_month=5M, output_tokens=300, fallback_share=2%, fallback_api=gpt-4o"
    document = fab("--env", "prod", "--json", "--usage", usage).json
    said = {key: document["assumptions"][key] for key in ("requests_per_month", "output_tokens")}
    assert said == {"requests_per_month": "5000000", "output_tokens": "300"}
    assert document["assumptions"]["fallback_share"] == "0.02"
    names = [one["name"] for one in document["components"] if one["resource"] == "fallback"]
    assert names == ["gpt-4o, prompts", "gpt-4o, answers"]


@pytest.mark.parametrize(
    ("usage", "message"),
    [
        ("requests_per_mnth=5", "did you mean requests_per_month"),
        ("requests_per_month", "--usage requests_per_month: which value?"),
        ("requests_per_month=many", "--usage requests_per_month 'many' is no number"),
        ("requests_per_month=1.5", "--usage requests_per_month=1.5 is no whole number"),
        ("requests_per_month=-1", "--usage requests_per_month=-1 is not between 0 and"),
        ("requests_per_month=9999999B", "--usage requests_per_month=9999999000000000 is not"),
        ("fallback_share=120%", "--usage fallback_share=1.2 is not between 0 and 1 (a share)"),
        ("fallback_share=0.1,fallback_api=gpt-4o-mimi", "did you mean gpt-4o-mini"),
        ("output_tokens=1e999999", "--usage output_tokens '1e999999' is no number"),
        ("nat_gb_per_host=nan", "--usage nat_gb_per_host 'nan' is no number"),
    ],
)
def test_absurd_usage_is_refused(fab: Fab, usage: str, message: str) -> None:
    """Exit code 2 and the way out, no bill."""
    said = fab("--env", "prod", "--usage", usage)
    assert (said.code, said.out) == (2, "")
    assert message in said.err


def test_a_month_above_the_limit_is_shown_and_ends_with_3(fab: Fab) -> None:
    """The bill, then what it is made of."""
    said = fab("--env", "prod", "--json", "--max-monthly", "1500")
    assert said.code == 3
    assert Decimal(said.json["total_monthly_usd"]) > 1500
    assert "a month; --max-monthly allows $1,500.00:" in said.err
    assert "fleet-hosts (Group)" in said.err
    assert fab("--env", "prod", "--max-monthly", "5000").code == 0


@pytest.mark.parametrize("limit", ["0", "-5", "much"])
def test_a_limit_that_is_none_is_refused(fab: Fab, limit: str) -> None:
    """Before anything is computed."""
    said = fab("--env", "prod", f"--max-monthly={limit}")
    assert (said.code, said.out) == (2, "")


def test_against_a_bill_that_was_kept(fab: Fab, tmp_path: Path) -> None:
    """What changed, as a table and as data."""
    kept = tmp_path / "kept.json"
    kept.write_text(fab("--env", "prod", "--json").out)
    usage = ("--usage", "images_stored=5")
    against = fab("--env", "prod", "--json", *usage, "--against", str(kept)).json["against"]
    assert against["changes"] == [
        {
            "resource": "registry-repository",
            "type": "aws:ecr/repository:Repository",
            "name": "images",
            "kind": "changed",
            "before_usd": "3.00",
            "after_usd": "5.00",
            "difference_usd": "2.00",
        }
    ]
    assert against["difference_usd"] == "2.00"
    shown = fab("--env", "prod", *usage, "--against", str(kept)).out
    assert "+2.00" in shown
    assert f"the same as {kept}" in fab("--env", "prod", "--against", str(kept)).out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file or directory"),
        ("{", "is not JSON"),
        ("[]", "is no bill of this version"),
        ('{"schema": 99}', "is no bill of this version"),
    ],
)
def test_against_what_is_no_bill(
    fab: Fab, tmp_path: Path, content: str | None, message: str
) -> None:
    """Exit code 2, and how to write one."""
    path = tmp_path / "kept.json"
    if content is not None:
        path.write_text(content)
    said = fab("--env", "prod", "--against", str(path))
    assert (said.code, said.out) == (2, "")
    assert message in said.err


def test_against_what_is_deployed(fab: Fab, tmp_path: Path, monkeypatch: Any) -> None:
    """The estimate that the program published; hosts that a person added are named."""
    environment = described("dev")
    (tmp_path / "Pulumi.yaml").write_text("name: llm-fleet\n")
    (tmp_path / "Pulumi.dev.yaml").write_text(dump(environment))
    monkeypatch.chdir(tmp_path)
    with mock_aws():
        asg = provisioned(environment, public_key=PUBLIC_KEY).outputs.asg_name
        same = fab("--env", "dev", "--json", "--against", "deployed").json
        group = boto3.client("autoscaling", region_name=environment.region)
        group.update_auto_scaling_group(AutoScalingGroupName=asg, MaxSize=2, DesiredCapacity=2)
        changed = fab(
            "--env", "dev", "--json", "--against", "deployed", "--usage", "logs_scanned_gb=110"
        ).json
    assert same["against"]["changes"] == []
    assert not any("run at this moment" in warning for warning in same["warnings"])
    (change,) = changed["against"]["changes"]
    assert (change["name"], change["difference_usd"]) == ("logs searched", "0.50")
    assert changed["against"]["against"] == "the estimate of the last `pulumi up`"
    assert "2 host(s) run at this moment, the bill is for 1" in changed["warnings"]


def test_against_an_environment_that_was_never_made(fab: Fab) -> None:
    """`pulumi up` comes first."""
    with mock_aws():
        said = fab("--env", "dev", "--against", "deployed")
    assert said.code == 1
    assert "pulumi up" in said.err


def test_a_rehearsal_is_priced_as_if_it_were_in_aws(fab: Fab) -> None:
    """And says that it is not."""
    warnings = fab("--env", "rehearsal", "--json").json["warnings"]
    assert warnings[0] == (
        "AWS is played at http://10.97.0.1:5000: nothing is billed; prices as if in us-east-1"
    )


def test_it_needs_no_credentials_and_no_network(tmp_path: Path) -> None:
    """In a process of its own, with no AWS in its environment: as `make demo` finds it."""
    clean = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
    program = str(Path(sys.executable).parent / "fab")
    words = [program, "cost.preview", "--env", "prod", "--json"]
    ended = subprocess.run(words, cwd=ROOT, env=clean, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert Decimal(json.loads(ended.stdout)["total_monthly_usd"]) > 1000
