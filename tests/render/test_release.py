"""A release: what is in it, what names its images, and what does not change them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provision.catalog.models import model, models
from provision.config.environment import EngineSettings, ModelChoice
from provision.config.timeouts import chain
from provision.planning.release import assemble
from provision.render.release import render_release
from tests.render.releases import LAYOUT, REGISTRY, environment, release, render

FILES = {
    ".dockerignore",
    "Dockerfile",
    "agent.json",
    "docker-compose.yml",
    "engine.yaml",
    "host.pyz",
    "llm-fleet-agent.service",
    "llm-fleet-boot.service",
    "nginx.conf",
    "start_vllm.sh",
}


@pytest.mark.parametrize("name", LAYOUT)
def test_a_release_has_its_files(name: str) -> None:
    """The same names for every environment, and facts that are plain JSON."""
    rendered = release(name)

    assert set(rendered.files) == FILES
    assert assemble("m", rendered.files, rendered.facts).id.startswith("r-")


def test_the_facts_say_where_everything_is() -> None:
    """What the planner and the host read from release.json, compared whole."""
    rendered = render(environment("prod"), replicas=2)
    revision = model("mistral-7b").revision

    assert rendered.facts == {
        "images": {
            "engine": f"{REGISTRY}-prod:{_tag(rendered.facts['images']['engine'])}",
            "front": f"{REGISTRY}-prod:{_tag(rendered.facts['images']['front'])}",
        },
        "base_image": environment("prod").engine.image,
        "repository": "mistralai/Mistral-7B-Instruct-v0.3",
        "model_revision": revision,
        "weights_prefix": f"weights/mistral-7b/{revision}",
        "model_folder": f"models/mistral-7b/{revision}",
        "served_name": "mistral-7b",
        "replicas": 2,
        "tensor_parallel_size": 1,
        "ports": [8001, 8002],
        "containers": ["llm-fleet-engine-0", "llm-fleet-engine-1"],
        "units": ["llm-fleet-boot.service", "llm-fleet-agent.service"],
        "compose_grace_s": chain(environment("prod").engine).compose_grace_s,
    }


def test_images_are_built_or_copied_into_the_environments_registry() -> None:
    """The engine is built from the release folder; the front is a copy."""
    rendered = release("prod")
    wanted = environment("prod")

    assert rendered.images == (
        {
            "target": rendered.facts["images"]["engine"],
            "source": wanted.engine.image,
            "dockerfile": "Dockerfile",
        },
        {
            "target": rendered.facts["images"]["front"],
            "source": wanted.front.image,
            "dockerfile": None,
        },
    )
    assert _tag(rendered.facts["images"]["engine"]).startswith("engine-")
    assert _tag(rendered.facts["images"]["front"]).startswith("front-")


@settings(deadline=None, max_examples=50)
@given(
    context=st.integers(64, 1_048_576),
    utilization=st.floats(0.1, 0.98),
    sequences=st.none() | st.integers(1, 4096),
    variable=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20),
)
def test_settings_change_the_release_and_not_the_image(
    context: int, utilization: float, sequences: int | None, variable: str
) -> None:
    """Whatever is configured: the same bytes each time, and the engine's image stays."""
    base = environment("prod")
    engine = replace(
        base.engine,
        max_model_len=context,
        gpu_memory_utilization=utilization,
        max_num_seqs=sequences,
        env={"SAID": variable},
    )
    once, again = (render(replace(base, engine=engine)) for _ in range(2))

    assert (once.files, once.facts) == (again.files, again.facts)
    assert once.facts["images"]["engine"] == release("prod").facts["images"]["engine"]


@pytest.mark.parametrize(
    "engine",
    [
        EngineSettings(image="vllm/vllm-openai:v0.32.1"),
        EngineSettings(extra_pip=("vllm[runai]==0.32.0",)),
    ],
)
def test_another_base_or_package_is_another_image(engine: EngineSettings) -> None:
    """The tag is the digest of what is built."""
    other = render(replace(environment("prod"), engine=engine))

    assert other.facts["images"]["engine"] != release("prod").facts["images"]["engine"]
    assert other.facts["images"]["front"] == release("prod").facts["images"]["front"]


def test_the_files_own_revision_and_name_win() -> None:
    """``model.revision`` and ``model.served_name`` of the file, before the catalogue's."""
    wanted = ModelChoice("mistral-7b", revision="f" * 40, served_name="assistant")
    rendered = render(replace(environment("prod"), model=wanted))

    assert rendered.facts["model_revision"] == "f" * 40
    assert rendered.facts["served_name"] == "assistant"
    assert 'served-model-name: ["assistant", "mistral-7b", ' in str(rendered.files["engine.yaml"])


def test_a_model_of_the_hub_gets_one_folder_and_an_honest_revision() -> None:
    """``org/name`` must not become two folders; what nobody pinned is called main."""
    base = environment("prod")
    theirs = replace(model("mistral-7b"), name="acme/tiny", repository="acme/tiny", revision=None)
    rendered = render_release(
        replace(base, model=ModelChoice("acme/tiny")),
        model=theirs,
        tensor_parallel_size=1,
        replicas=1,
        chain=chain(base.engine),
        repository_url=REGISTRY,
    )

    assert rendered.facts["weights_prefix"] == "weights/acme--tiny/main"
    assert rendered.facts["model_folder"] == "models/acme--tiny/main"
    assert 'served-model-name: ["acme/tiny"]' in str(rendered.files["engine.yaml"])


@pytest.mark.parametrize("name", sorted(models()))
def test_every_model_of_the_catalogue_renders(name: str) -> None:
    """Chat, base and quantized ones."""
    base = replace(environment("dev"), model=ModelChoice(name))

    assert set(render(base).files) == FILES


def _tag(image: str) -> str:
    return image.rpartition(":")[2]
