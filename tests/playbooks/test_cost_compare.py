"""``fab cost.compare`` as typed."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from tests.playbooks.conftest import Fleet

ROOT = Path(__file__).resolve().parents[2]


def test_the_document(fleet: Fleet) -> None:
    """Every type with what it carries and what a token costs; the cheapest by way to pay."""
    said = fleet.run(
        *("cost.compare", "--model", "mistral-7b", "--region", "us-east-1"),
        *("--instance", "g5.xlarge,g6.xlarge,g6e.xlarge", "--requests-per-month", "5M", "--json"),
    ).json
    assert [one["instance_type"] for one in said["candidates"]] == [
        "g6.xlarge",
        "g6e.xlarge",
        "g5.xlarge",
    ]
    g5 = said["candidates"][-1]
    assert (g5["fits"], g5["hosts"], g5["replicas_per_host"]) == (True, 2, 1)
    assert (g5["requests_per_s"], g5["capacity_source"]) == ("2.9551", "roofline")
    assert g5["start_time_s"] == 228
    assert g5["pricing"]["on-demand"] == {
        "usd_per_hour": "1.006",
        "usd_per_hour_range": None,
        "upfront_usd": "0.00",
        "usd_per_1m_tokens": "0.2364",
        "usd_per_1m_tokens_full_load": "0.1182",
        "usd_per_month": "1468.76",
        "verified": True,
        "price_date": "2026-07-20",
    }
    assert g5["pricing"]["spot"]["usd_per_hour_range"] == ["0.4328", "0.4516"]
    assert g5["pricing"]["reserved-3y-no-upfront"]["verified"] is False
    assert said["cheapest"]["on-demand"] == {
        "instance_type": "g6.xlarge",
        "hosts": 2,
        "usd_per_1m_tokens": "0.1863",
        "usd_per_month": "1175.01",
    }


def test_for_a_person(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole page: types, ways to pay, what was left out, what it stands on."""
    monkeypatch.setattr("playbooks.place.today", lambda: date(2026, 11, 21))
    said = fleet.run(
        *("cost.compare", "--model", "llama-3.1-70b", "--region", "us-east-1"),
        *("--instance", "g5.xlarge,g5.48xlarge,p4d.24xlarge,g7e.12xlarge"),
        *("--requests-per-month", "5M"),
    )
    golden = (ROOT / "tests" / "golden" / "reports" / "cost_compare.txt").read_text()
    assert (said.code, said.out) == (0, golden)


def test_a_model_that_fits_nowhere(fleet: Fleet) -> None:
    """Exit code 3, and why, type by type."""
    said = fleet.run("cost.compare", "--model", "llama-3.1-70b", "--instance", "g5.xlarge")
    assert said.code == 3
    assert "llama-3.1-70b fits on none of these types" in said.out
    assert "does not fit: g5.xlarge (needs 135.2 GiB" in said.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--instance", "g6.xlarge", "--region", "eu-west-1"),
            "g6.xlarge is not sold in eu-west-1",
        ),
        (("--instance", "g5.xlrage"), "did you mean g5.xlarge"),
        (("--region", "mars-1"), "unknown region 'mars-1'"),
        (("--model", "mistral-8b"), "did you mean mistral-7b"),
        (("--requests-per-month", "0"), "--requests-per-month '0'"),
        (("--input-tokens", "40k"), "longer than the context"),
    ],
)
def test_wrong_usage(fleet: Fleet, words: tuple[str, ...], said: str) -> None:
    """Exit code 2, a message with the way out, nothing on stdout."""
    model = () if "--model" in words else ("--model", "mistral-7b")
    done = fleet.run("cost.compare", *model, *words)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_the_chosen_environment_is_taken_where_no_model_is_named(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its model, region and traffic; nothing is asked of AWS."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Pulumi.yaml").write_text("name: llm-fleet\n")
    (tmp_path / "Pulumi.trial.yaml").write_text(
        "config:\n"
        "  aws:region: eu-west-1\n"
        "  llm-fleet:owner: platform\n"
        "  llm-fleet:model: {name: qwen3-8b}\n"
        "  llm-fleet:usage: {requests_per_month: 2000000, input_tokens: 300}\n"
    )
    said = fleet.run("cost.compare", "--json").json
    assert (said["model"], said["region"]) == ("qwen3-8b", "eu-west-1")
    assert (said["input_tokens"], said["requests_per_month"]) == (300, 2_000_000)
    assert {one["instance_type"].split(".")[0] for one in said["candidates"]} == {"g5", "p4d"}
