"""An environment held against the catalogue: does all that it names exist, and go together?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from provision.catalog.instances import InstanceType, instance_type
from provision.catalog.models import Model, model
from provision.catalog.regions import regions, require_sold
from provision.config import hosted
from provision.config.environment import Environment
from provision.config.hub import is_public
from provision.config.parse import REGION
from provision.errors import CatalogError, Problem

T = TypeVar("T")

_MIB_PER_MB = 1_000_000 / 1_048_576


def problems(env: Environment) -> Iterator[Problem]:
    """Names that the catalogue doesn't know, and settings that the hardware or model refuses.

    A Hub id (``org/name``) may be outside the catalogue; :func:`warnings` then says what to bring.
    """
    instance, unknown_type = _look_up("fleet.instance_type", instance_type, env.fleet.instance_type)
    served, unknown_model = _look_up("model.name", model, env.model.name)
    yield from unknown_type
    yield from _place(env)
    if "/" not in env.model.name:
        yield from unknown_model
    if instance is not None:
        yield from _gpus(env, instance)
    if served is not None:
        yield from _model_limits(env, served)
    yield from hosted.problems(env)


def warnings(env: Environment) -> Iterator[Problem]:
    """What works, but not as one might expect."""
    instance, _ = _look_up("fleet.instance_type", instance_type, env.fleet.instance_type)
    served, unknown = _look_up("model.name", model, env.model.name)
    if instance is not None:
        yield from _wasted_throughput(env, instance)
    if served is None and "/" in env.model.name:
        for problem in unknown:
            yield Problem(problem.path, "is not in the catalogue", "give --config-json to fab plan")
    if served is not None and served.chat is False:
        message = f"{served.repository} is a base model: it continues text and answers no question"
        yield Problem("model.name", message, "choose the instruction-tuned one")
    if served is not None and served.gated and is_public(env.hub.endpoint):
        message = f"{served.repository} is gated: the first deploy needs a token of the Hub"
        yield Problem("model.name", message, f"put it into the secret {env.secret_root}/hub-token")


def _look_up(path: str, find: Callable[[str], T], name: str) -> tuple[T | None, list[Problem]]:
    try:
        return find(name), []
    except CatalogError as error:
        return None, [Problem(path, error.message, error.hint)]


def _place(env: Environment) -> Iterator[Problem]:
    try:
        require_sold(env.fleet.instance_type, env.region)
    except CatalogError as error:
        path = "fleet.instance_type" if env.region in regions() else REGION
        yield Problem(path, error.message, error.hint)


def _gpus(env: Environment, instance: InstanceType) -> Iterator[Problem]:
    tensor_parallel = env.engine.tensor_parallel_size or 1
    replicas = env.engine.replicas_per_host or 1
    needed = tensor_parallel * replicas
    if needed > instance.gpus:
        yield Problem(
            "engine.replicas_per_host" if replicas > 1 else "engine.tensor_parallel_size",
            f"{replicas} engine(s) on {tensor_parallel} GPU(s) each need {needed};"
            f" {instance.name} has {instance.gpus}",
            "leave both out and `fab plan` chooses",
        )


def _model_limits(env: Environment, served: Model) -> Iterator[Problem]:
    if env.engine.max_model_len > served.max_context:
        yield Problem(
            "engine.max_model_len",
            f"{env.engine.max_model_len} is more than {served.name} knows, {served.max_context}",
            f"at most {served.max_context}",
        )
    tensor_parallel = env.engine.tensor_parallel_size
    if tensor_parallel and served.attention_heads % tensor_parallel:
        yield Problem(
            "engine.tensor_parallel_size",
            f"{tensor_parallel} does not divide {served.name}'s {served.attention_heads} heads",
        )


def _wasted_throughput(env: Environment, instance: InstanceType) -> Iterator[Problem]:
    most = instance.ebs_burst_mbps * _MIB_PER_MB
    paid = env.model_cache.throughput_mibps
    if paid > max(125, most):
        yield Problem(
            "model_cache.throughput_mibps",
            f"{paid} MiB/s are paid for; a {instance.name} reads {most:.0f} MiB/s at most",
            f"{max(125, round(most))} gives the same for less",
        )
