"""``fab plan`` as a person or a script types it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from invoke import Context, Exit

from playbooks.plan import plan

ROOT = Path(__file__).resolve().parents[2]
CONFIG = {
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 32768,
    "max_position_embeddings": 32768,
}


def asked(capsys: pytest.CaptureFixture[str], **flags: Any) -> tuple[int, Any]:
    """Exit code and JSON of a plan."""
    code = 0
    try:
        plan(Context(), json=True, **flags)
    except Exit as end:
        code = end.code
    return code, json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], **flags: Any) -> tuple[int, str]:
    """Exit code and message of a plan that ends in an error; stdout stays empty."""
    with pytest.raises(Exit) as end:
        plan(Context(), **flags)
    said = capsys.readouterr()
    assert said.out == ""
    return end.value.code, said.err


def fab(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fabric", "plan", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_fixed_interface() -> None:
    """The very command of the interface, through the shell: JSON only, with all its keys."""
    done = fab(
        *("--model", "mistral-7b", "--instance", "g5.xlarge"),
        *("--gpu-memory-utilization", "0.90", "--max-model-len", "4096", "--json"),
    )
    said = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert said["fits"] is True
    assert (said["tensor_parallel_size"], said["replicas_per_host"]) == (1, 1)
    assert said["kv_cache_tokens"] == 39_760
    assert said["concurrency"] == {"2048": 19.41, "4096": 9.71, "8192": 4.85}
    assert said["disk_gib"] == 82.6
    assert said["start_time_s"] == {
        "container": 30,
        "weights": 111,
        "compile": 60,
        "graphs": 17,
        "warm_up": 10,
    }
    assert "87.5 MB/s" in said["binding_limit"]
    assert said["nearest_fit"] is None
    assert any("RAM" in warning for warning in said["warnings"])


def test_what_does_not_fit_ends_with_3_and_still_answers() -> None:
    """A script reads why from the same JSON; there is no start to speak of."""
    done = fab("--model", "llama-3.1-70b", "--instance", "g5.xlarge", "--json")
    said = json.loads(done.stdout)
    assert done.returncode == 3
    assert (said["fits"], said["nearest_fit"]) == (False, "g7e.12xlarge")
    assert (said["kv_cache_tokens"], said["replicas_per_host"]) == (0, 0)
    assert (said["start_time_s"], said["binding_limit"]) == (None, None)


def test_for_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    """The whole page, as docs/sizing.md shows it."""
    plan(Context(), model="mistral-7b", instance="g5.xlarge")
    golden = (ROOT / "tests" / "golden" / "plan-mistral-7b-g5.xlarge.txt").read_text()
    assert capsys.readouterr().out == golden
    assert golden in (ROOT / "docs" / "sizing.md").read_text()


def test_for_a_person_when_it_does_not_fit(capsys: pytest.CaptureFixture[str]) -> None:
    """Needs, has, and the nearest that fits."""
    with pytest.raises(Exit):
        plan(Context(), model="qwen3-14b", instance="g5.xlarge")
    said = capsys.readouterr().out
    assert "qwen3-14b on g5.xlarge: does not fit" in said
    assert "needs 30.1 GiB on the GPU" in said
    assert "g6e.xlarge fits" in said


def test_an_environment_says_the_rest(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Model, type, engine and volumes come from the file; its too small volume is warned of."""
    environment(tmp_path, "model_cache: {size_gib: 20, throughput_mibps: 417}")
    monkeypatch.chdir(tmp_path)
    code, said = asked(capsys, env="trial")
    assert code == 0
    assert (said["model"], said["instance_type"], said["max_model_len"]) == (
        "mistral-7b",
        "g5.xlarge",
        2048,
    )
    assert said["start_time_s"]["weights"] == 33
    assert any(w.startswith("model_cache.size_gib is 20,") for w in said["warnings"])


def test_another_type_for_an_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What if: the environment's own settings on another type, sold in its region."""
    environment(tmp_path)
    monkeypatch.chdir(tmp_path)
    code, said = asked(capsys, env="trial", instance="p4d.24xlarge")
    assert (code, said["instance_type"], said["replicas_per_host"]) == (0, "p4d.24xlarge", 8)


def test_a_type_that_the_region_does_not_sell(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Ireland has no g6: an error that says what it has, and no plan for a host nobody can get."""
    environment(tmp_path)
    monkeypatch.chdir(tmp_path)
    code, said = refused(capsys, env="trial", instance="g6.xlarge")
    assert code == 2
    assert "g6.xlarge is not sold in eu-west-1" in said
    assert "eu-west-1 has g5, p4d" in said


def test_the_nearest_fit_is_sold_in_the_region(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In Ireland a 14B model is not sent to a g6e."""
    environment(tmp_path)
    monkeypatch.chdir(tmp_path)
    code, said = asked(capsys, env="trial", model="qwen3-14b")
    assert (code, said["nearest_fit"]) == (3, "g5.12xlarge")


def test_a_preset_and_then_the_flags(capsys: pytest.CaptureFixture[str]) -> None:
    """A preset changes the defaults, a flag changes the preset."""
    _, said = asked(capsys, model="mistral-7b", instance="g5.xlarge", preset="resume-analysis")
    assert said["max_model_len"] == 2048
    _, said = asked(
        capsys,
        model="mistral-7b",
        instance="g5.xlarge",
        preset="resume-analysis",
        max_model_len="1024",
    )
    assert said["max_model_len"] == 1024


def test_a_model_that_brings_its_config(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A repository outside the catalogue is sized from its config.json alone."""
    file = tmp_path / "config.json"
    file.write_text(json.dumps(CONFIG))
    code, said = asked(capsys, model="acme/llm-7b", instance="g5.xlarge", config_json=str(file))
    assert (code, said["repository"], said["revision"]) == (0, "acme/llm-7b", None)
    assert said["kv_cache_tokens"] == pytest.approx(39_760, rel=0.01)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"model": "mistral-8b", "instance": "g5.xlarge"}, "did you mean mistral-7b"),
        ({"model": "mistral-7b", "instance": "g5.xlrage"}, "did you mean g5.xlarge"),
        ({"model": "acme/llm", "instance": "g5.xlarge"}, "--config-json FILE"),
        ({"instance": "g5.xlarge"}, "which model?"),
        (
            {"model": "mistral-7b", "instance": "g5.xlarge", "preset": "chess"},
            "known: resume-analysis, support-chat, long-documents",
        ),
        (
            {"model": "mistral-7b", "instance": "g5.xlarge", "gpu_memory_utilization": "90"},
            "--gpu-memory-utilization '90' is no share",
        ),
        (
            {"model": "mistral-7b", "instance": "g5.xlarge", "max_model_len": "4k"},
            "--max-model-len '4k' is no number of tokens",
        ),
        ({"model": "a/b", "instance": "g5.xlarge", "config_json": "/nowhere"}, "No such file"),
        ({"model": "a/b", "instance": "g5.xlarge", "config_json": __file__}, "is not JSON"),
    ],
)
def test_wrong_usage(capsys: pytest.CaptureFixture[str], flags: dict[str, str], said: str) -> None:
    """Exit code 2, a message with the way out, nothing on stdout."""
    code, message = refused(capsys, **flags)
    assert code == 2
    assert said in message


def test_a_config_that_is_no_object(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """JSON alone is not enough."""
    file = tmp_path / "config.json"
    file.write_text("[]")
    code, said = refused(capsys, model="a/b", instance="g5.xlarge", config_json=str(file))
    assert (code, "holds no JSON object" in said) == (2, True)


def environment(folder: Path, *sections: str) -> None:
    """A project in *folder* with one environment, ``trial``, in Ireland."""
    (folder / "Pulumi.yaml").write_text("name: llm-fleet\nruntime: python\n")
    lines = [
        "config:",
        "  aws:region: eu-west-1",
        "  llm-fleet:owner: platform",
        "  llm-fleet:model: {name: mistral-7b}",
        "  llm-fleet:engine: {max_model_len: 2048}",
        *(f"  llm-fleet:{section}" for section in sections),
    ]
    (folder / "Pulumi.trial.yaml").write_text("\n".join(lines) + "\n")
