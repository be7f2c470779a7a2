"""``fab cost.break-even`` as a person or a script types it."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from playbooks import kept
from provision.planning.benchmark import to_json
from provision.testing.cloud import FakeCloud
from tests.planning.cost.test_capacity import KEPT
from tests.playbooks.conftest import Fleet

ROOT = Path(__file__).resolve().parents[2]
INTERFACE = (
    *("cost.break-even", "--api", "gpt-4o", "--input-tokens", "700", "--output-tokens", "100"),
    *("--instance", "g5.xlarge", "--pricing", "reserved-1y-no-upfront", "--extra-monthly", "270"),
)
ENVIRONMENT = """\
config:
  aws:region: us-east-1
  llm-fleet:owner: platform
  llm-fleet:model: {name: mistral-7b}
  llm-fleet:fleet: {hosts: 2, zones: 2, ami: ami-0123456789abcdef0}
  llm-fleet:usage: {requests_per_month: 300000, fallback_share: 0.02, fallback_api: gpt-4o}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one environment, ``trial``; the test stands in its folder."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Pulumi.yaml").write_text("name: llm-fleet\nruntime: python\n")
    (tmp_path / "Pulumi.trial.yaml").write_text(ENVIRONMENT)
    return tmp_path


def test_the_fixed_interface() -> None:
    """The very command of the interface, through the shell: JSON only, with all its keys."""
    done = subprocess.run(
        [sys.executable, "-m", "fabric", *INTERFACE, "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    said = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert said["usd_per_request_api"] == "0.00275"
    assert said["fleet_usd_per_month"] == "732.82"
    assert said["break_even_requests_per_month"] == 266_480
    assert said["capacity_requests_per_month"] == 7_766_002
    assert said["reachable"] is True
    assert said["replicas_at_break_even"] == 1
    assert said["price_date"] == "2025..2026-11"
    assert said["assumptions"]["request"].startswith("700 prompt and 100 answer tokens")
    assert said["capacity_source"] == "roofline"


def test_the_guide_s_own_inputs(fleet: Fleet) -> None:
    """A month of 720 hours, and its 727 $ as it is written."""
    said = fleet.run(*INTERFACE, "--hours", "720", "--json").json
    assert said["fleet"]["usd_per_host_month"] == "456.48"
    assert said["fleet_usd_per_month"] == "726.48"
    written = fleet.run(
        *("cost.break-even", "--instance", "g5.xlarge", "--fleet-monthly", "727", "--json")
    ).json
    assert written["break_even_requests_per_month"] == 264_364


@pytest.mark.parametrize(("share", "bill"), [("5%", "864.50"), ("0.10", "1002.00")])
def test_the_guide_s_fallback(fleet: Fleet, share: str, bill: str) -> None:
    """A million requests, some of them by gpt-4o on top of a fleet that costs 727 $."""
    said = fleet.run(
        *("cost.break-even", "--instance", "g5.xlarge", "--fleet-monthly", "727"),
        *("--fallback-share", share, "--requests-per-month", "1M", "--json"),
    ).json
    assert said["at_volume"]["fleet_usd_per_month"] == bill
    assert said["at_volume"]["api_usd_per_month"] == "2750.00"


def test_the_other_guide_s_gpus(fleet: Fleet) -> None:
    """Two at 2.10 $ and a fifth, 1,500 tokens a second, against a dear and a cheap API."""
    said = fleet.run(
        *("cost.break-even", "--api", "3/15,0.15/0.60", "--instance", "g5.xlarge"),
        *("--input-tokens", "800", "--output-tokens", "200", "--hours", "720", "--hosts", "2"),
        *("--usd-per-hour", "2.10", "--overhead-share", "20%", "--capacity", "0.75", "--json"),
    ).json
    dear, cheap = said["side_by_side"]
    assert said["fleet_usd_per_month"] == "3628.80"
    assert dear["break_even_tokens_per_month"] == 30 * 22_400_000
    assert cheap["crossing_requests_per_month"] * 1000 == 30 * 504_000_000
    assert (cheap["break_even_requests_per_month"], cheap["never"]) == (
        None,
        "api-cheaper-at-any-load",
    )
    day = fleet.run(
        *("cost.break-even", "--api", "3/15,0.15/0.60", "--instance", "g5.xlarge"),
        *("--input-tokens", "1000", "--output-tokens", "200", "--tokens-per-month", "360M"),
        "--json",
    ).json
    bills = [one["at_volume"]["api_usd_per_month"] for one in day["side_by_side"]]
    assert bills == ["1800.00", "81.00"]


def test_never_is_null_and_says_why(fleet: Fleet) -> None:
    """Beyond what one host carries, and cheaper than any host."""
    said = fleet.run(
        *("cost.break-even", "--instance", "g5.xlarge", "--pricing", "reserved-1y-no-upfront"),
        *("--extra-monthly", "270", "--json"),
        *("--api", "gpt-5-nano,deepinfra/meta-llama/Meta-Llama-3.1-8B-Instruct"),
    ).json
    assert [one["never"] for one in said["side_by_side"]] == [
        "beyond-capacity",
        "api-cheaper-at-any-load",
    ]
    for one in said["side_by_side"]:
        assert (one["break_even_requests_per_month"], one["reachable"]) == (None, False)
        assert (one["replicas_at_break_even"], one["sized_for_peaks"]) == (None, None)


def test_an_environment_says_the_rest(fleet: Fleet, project: Path) -> None:
    """Hosts, traffic and fallback from its file; --extra-monthly keeps it to the price book."""
    said = fleet.run("cost.break-even", "--env", "trial", "--extra-monthly", "0", "--json").json
    assert (said["fleet"]["hosts"], said["fleet_usd_per_month"]) == (2, "1468.76")
    assert said["at_volume"]["requests_per_month"] == 300_000
    assert said["assumptions"]["fallback"].startswith("2 % of the requests are answered by gpt-4o")
    assert said["at_volume"]["fleet_usd_per_month"] == "1485.26"


def test_an_environment_brings_the_whole_bill(fleet: Fleet, project: Path) -> None:
    """Without --extra-monthly, all that the preview finds beside the hosts is counted."""
    preview = fleet.run("cost.preview", "--env", "trial", "--json").json
    said = fleet.run("cost.break-even", "--env", "trial", "--json").json
    beside = float(said["fleet"]["extra_usd_per_month"])
    hosts = 2 * float(said["fleet"]["usd_per_host_month"])
    fallback = 0.02 * 300_000 * 0.00275
    assert hosts + beside + fallback == pytest.approx(float(preview["total_monthly_usd"]))
    assert "cost.preview" in said["assumptions"]["extra"]


def test_a_kept_benchmark_wins(fleet: Fleet, project: Path) -> None:
    """Beside the environment's file; without the environment nothing was measured."""
    kept.write(project, "trial", KEPT.key, to_json(KEPT, before=None))
    words = ("cost.break-even", "--instance", "g5.xlarge", "--extra-monthly", "0", "--json")
    said = fleet.run(*words, "--env", "trial").json
    assert (said["capacity_source"], said["capacity_requests_per_s_host"]) == ("measured", "3.30")
    assert "measured by `fab benchmark`" in said["assumptions"]["capacity"]
    assert fleet.run(*words).json["capacity_source"] == "roofline"


def test_benchmarks_of_the_bucket_can_be_fetched(
    fleet: Fleet, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A colleague measured: --fetch copies it beside the environment's file."""
    cloud = FakeCloud(fleet.cloud.outputs(), ())
    cloud.objects[KEPT.key] = to_json(KEPT, before=None)
    monkeypatch.setattr("playbooks.session.Session.cloud", cloud)
    words = ("cost.break-even", "--env", "trial", "--extra-monthly", "0", "--json")
    assert fleet.run(*words).json["capacity_source"] == "roofline"
    assert fleet.run(*words, "--fetch").json["capacity_source"] == "measured"
    assert (project / "benchmarks/trial/mistral-7b/g5.xlarge/0123456789abcdef.json").exists()


def test_a_kept_file_that_is_none_of_ours(fleet: Fleet, project: Path) -> None:
    """Its path, and how to get a good one."""
    kept.write(project, "trial", KEPT.key, b'{"mixes": {"700/100": {}}}')
    said = fleet.run("cost.break-even", "--env", "trial", "--extra-monthly", "0")
    assert (said.code, said.out) == (2, "")
    assert "0123456789abcdef.json: it is not what `fab benchmark` writes" in said.err
    assert "--fetch" in said.err


def test_for_a_person(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole page, as docs/break-even.md shows it."""
    monkeypatch.setattr("playbooks.place.today", lambda: date(2026, 11, 21))
    said = fleet.run(*INTERFACE[:2], "gpt-4o,gpt-4o-mini,gpt-5-nano", *INTERFACE[3:])
    golden = (ROOT / "tests" / "golden" / "reports" / "cost_break_even.txt").read_text()
    assert (said.code, said.out) == (0, golden)
    assert golden in (ROOT / "docs" / "break-even.md").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--api", "gpt-4o-mimi"), "did you mean gpt-4o-mini"),
        (("--api", ","), "--api ',' names 0"),
        (("--pricing", "reserved-1y"), "did you mean reserved-1y-no-upfront"),
        (("--region", "eu-west-9"), "unknown region 'eu-west-9'"),
        (("--model", "mistral-8b"), "did you mean mistral-7b"),
        (("--hosts", "0"), "--hosts '0'"),
        (("--hosts", "-1"), "--hosts '-1'"),
        (("--input-tokens", "-700"), "--input-tokens '-700'"),
        (("--input-tokens", "100M"), "--input-tokens '100M'"),
        (("--input-tokens", "40k"), "longer than the context of mistral-7b, 32,768"),
        (("--requests-per-month", "-1"), "--requests-per-month '-1'"),
        (("--requests-per-month", "9999B"), "not a whole number from 1 to 1,000,000,000,000"),
        (("--requests-per-month", "1M", "--tokens-per-month", "1M"), "one of them"),
        (("--extra-monthly", "-270"), "--extra-monthly '-270'"),
        (("--engineering-monthly", "much"), "--engineering-monthly 'much'"),
        (("--fallback-share", "5"), "--fallback-share '5'"),
        (("--fallback-share", "5%", "--fallback-api", "gpt-9"), "unknown hosted model 'gpt-9'"),
        (("--peak-factor", "0.5"), "--peak-factor '0.5'"),
        (("--hours", "800"), "--hours '800'"),
        (("--capacity", "0"), "--capacity '0'"),
        (("--usd-per-hour", "0"), "nothing is free"),
        (("--usd-per-hour", "1", "--fleet-monthly", "700"), "one of them"),
        (("--fetch",), "--fetch from which environment?"),
    ],
)
def test_wrong_usage(fleet: Fleet, words: tuple[str, ...], said: str) -> None:
    """Exit code 2, a message with the way out, nothing on stdout."""
    done = fleet.run("cost.break-even", "--instance", "g5.xlarge", *words)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_a_type_that_the_region_does_not_sell(fleet: Fleet) -> None:
    """An error that says where it is sold, not a fleet for 0 $."""
    said = fleet.run("cost.break-even", "--instance", "g6.xlarge", "--region", "eu-west-1")
    assert (said.code, said.out) == (2, "")
    assert "g6.xlarge is not sold in eu-west-1" in said.err


def test_a_model_that_does_not_fit(fleet: Fleet) -> None:
    """Exit code 3, and the nearest type that holds it."""
    said = fleet.run("cost.break-even", "--instance", "g5.xlarge", "--model", "llama-3.1-70b")
    assert (said.code, said.out) == (3, "")
    assert "the smallest type that fits is" in said.err


def test_flags_have_no_single_letters(fleet: Fleet) -> None:
    """There are more of them than letters, and a script should say what it means."""
    said = fleet.run("--help", "cost.break-even").out
    flags = [line.split()[0] for line in said.splitlines() if line.strip().startswith("-")]
    assert len(flags) >= 22
    assert all(flag.startswith("--") and flag[2].isalpha() for flag in flags)
