"""From an environment to the release, images and weights that its hosts shall run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from provision.catalog.instances import instance_type
from provision.catalog.models import model as model_of
from provision.config.environment import Environment, ModelChoice
from provision.config.timeouts import chain
from provision.planning.actions import ImageSpec
from provision.planning.disk import disk_for
from provision.planning.release import assemble
from provision.planning.situation import Target
from provision.planning.sizing import require_fit, size
from provision.render.release import render_release


def with_model(environment: Environment, name: str | None) -> Environment:
    """*environment* serving another model; what was said about the old one no longer holds."""
    if name is None or name == environment.model.name:
        return environment
    return replace(environment, model=ModelChoice(name=name, preset=environment.model.preset))


def target_of(environment: Environment, *, repository_url: str) -> Target:
    """Size the model, render its release and name it.

    Raises CatalogError for an unknown model or instance type, SizingError when it does not fit.
    """
    model = model_of(environment.model.name)
    instance = instance_type(environment.fleet.instance_type)
    sizing = require_fit(size(model, instance, environment.engine))
    rendered = render_release(
        environment,
        model=model,
        tensor_parallel_size=sizing.tensor_parallel_size,
        replicas=sizing.replicas_per_host,
        chain=chain(environment.engine),
        repository_url=repository_url,
    )
    facts = rendered.facts
    return Target(
        release=assemble(facts["served_name"], rendered.files, facts),
        images=tuple(_image(image) for image in rendered.images),
        repository=facts["repository"],
        revision=facts["model_revision"],
        weights_folder=facts["weights_prefix"],
        gated=model.gated,
        chat=model.chat is not False,
        disk=disk_for(model),
        engines=facts["replicas"],
    )


def _image(image: Mapping[str, str | None]) -> ImageSpec:
    return ImageSpec(str(image["target"]), str(image["source"]), image["dockerfile"])
