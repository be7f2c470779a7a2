"""The engine's image and start script, run and checked by their own tools."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from provision.config.environment import EngineSettings
from provision.render.engine import OVERRIDES, dockerfile, start_script
from tests.render.releases import LAYOUT, environment, release, text


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder that has weights, as far as the script can tell."""
    folder = tmp_path / "model with spaces"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return folder


def start(tmp_path: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the script with a ``vllm`` that prints its own process id and its words."""
    (tmp_path / "vllm").write_text('#!/bin/sh\nfor word in $$ "$@"; do echo "$word"; done\n')
    (tmp_path / "vllm").chmod(0o755)
    script = tmp_path / "start_vllm.sh"
    script.write_text(start_script())
    return subprocess.run(
        ["sh", "-c", 'echo $$; exec sh "$@"', "sh", str(script), *arguments],
        capture_output=True,
        text=True,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", **variables},
    )


def test_the_engine_takes_the_shells_place(tmp_path: Path, model: Path) -> None:
    """Same process, so that signals reach it; the release's configuration, and no flag more."""
    done = start(tmp_path, MODEL_PATH=str(model))
    shell, engine, *words = done.stdout.splitlines()

    assert (done.returncode, done.stderr) == (0, "")
    assert engine == shell
    assert words == ["serve", str(model), "--config", "/etc/llm-fleet/engine.yaml"]


@pytest.mark.parametrize(("variable", "flag"), OVERRIDES.items())
def test_a_variable_overrides_its_option(
    tmp_path: Path, model: Path, variable: str, flag: str
) -> None:
    """After the configuration, where vLLM lets it win; empty means not set."""
    said = start(tmp_path, MODEL_PATH=str(model), **{variable: "7 8"}).stdout.splitlines()
    empty = start(tmp_path, MODEL_PATH=str(model), **{variable: ""}).stdout.splitlines()

    assert said[4:] == ["--config", "/etc/llm-fleet/engine.yaml", f"--{flag}", "7 8"]
    assert empty[4:] == ["--config", "/etc/llm-fleet/engine.yaml"]


def test_the_script_documents_each_override() -> None:
    """Its head lists exactly what its body does."""
    lines = start_script().splitlines()
    listed = {
        line.split()[1]: line.split()[2]
        for line in lines
        if line.startswith("#   ")
        if "--" in line
    }

    assert listed == {variable: f"--{flag}" for variable, flag in OVERRIDES.items()}


def test_arguments_of_the_container_win(tmp_path: Path, model: Path) -> None:
    """They come last, words intact."""
    done = start(
        tmp_path,
        "--max-model-len",
        "64",
        "a b",
        MODEL_PATH=str(model),
        ENGINE_CONFIG="/x.yaml",
        MAX_MODEL_LEN="128",
    )

    assert done.stdout.splitlines()[4:] == [
        *("--config", "/x.yaml"),
        *("--max-model-len", "128", "--max-model-len", "64", "a b"),
    ]


@pytest.mark.parametrize(
    ("path", "complaint"),
    [("", "MODEL_PATH: is not set"), ("/nowhere", "no weights in /nowhere")],
)
def test_without_weights_it_says_so_and_starts_nothing(
    tmp_path: Path, path: str, complaint: str
) -> None:
    """One line, exit code not 0, no engine."""
    done = start(tmp_path, MODEL_PATH=path)

    assert done.returncode != 0
    assert complaint in done.stderr
    assert len(done.stdout.splitlines()) == 1


def test_nothing_follows_the_exec() -> None:
    """Whatever came after would never run, and would be believed to."""
    assert start_script().rstrip().splitlines()[-1].startswith('exec vllm serve "$MODEL_PATH"')


def test_shellcheck_has_nothing_to_say(tmp_path: Path) -> None:
    """As a POSIX script: the image's sh may be dash."""
    script = tmp_path / "start_vllm.sh"
    script.write_text(start_script())
    done = subprocess.run(["shellcheck", "-s", "sh", str(script)], capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("extra", [(), ("vllm[runai]==0.32.0", "humanize==4.9.0")])
def test_hadolint_has_nothing_to_say(extra: tuple[str, ...]) -> None:
    """About the image with and without extra packages."""
    done = subprocess.run(
        [str(Path(sys.executable).parent / "hadolint"), "--no-color", "-"],
        input=dockerfile(EngineSettings(extra_pip=extra)),
        capture_output=True,
        text=True,
    )

    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_is_the_pinned_base_and_the_script() -> None:
    """Extra packages are quoted for the shell."""
    plain = dockerfile(EngineSettings(image="base@sha256:1"))
    extra = dockerfile(EngineSettings(extra_pip=("vllm[runai]==0.32.0",)))

    assert _instructions(plain) == [
        "FROM base@sha256:1",
        "COPY start_vllm.sh /opt/llm-fleet/start_vllm.sh",
        'ENTRYPOINT ["/bin/sh", "/opt/llm-fleet/start_vllm.sh"]',
    ]
    assert "RUN uv pip install --system --no-cache 'vllm[runai]==0.32.0'" in _instructions(extra)


@pytest.mark.parametrize("name", LAYOUT)
def test_the_configuration_says_what_the_file_says(name: str) -> None:
    """Every setting of the environment, and nothing that was left open."""
    engine = environment(name).engine
    said = yaml.safe_load(text(release(name), "engine.yaml"))

    assert said["max-model-len"] == engine.max_model_len
    assert said["gpu-memory-utilization"] == engine.gpu_memory_utilization
    assert said["max-num-queued-reqs"] == engine.max_num_queued_reqs
    assert said["shutdown-timeout"] == engine.longest_generation_s
    assert said.get("max-num-seqs") == engine.max_num_seqs
    assert said.get("max-num-batched-tokens") == engine.max_num_batched_tokens
    assert {key: said[key] for key in engine.extra_args} == engine.extra_args


def _instructions(dockerfile: str) -> list[str]:
    return [line for line in dockerfile.splitlines() if not line.startswith("#")]
