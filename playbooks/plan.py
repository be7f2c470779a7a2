"""Will it fit, how much can it serve, how long does it start? Nothing is touched."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playbooks.choice import choose
from playbooks.frame import emit_json, finish, progress, task
from provision.errors import EXIT_REFUSED, UsageError

if TYPE_CHECKING:
    from provision.catalog.model import Model
    from provision.config.environment import EngineSettings, Environment
    from provision.planning.sizing import Sizing

HELP = {
    "model": "catalogue name, or org/name (default: the environment's)",
    "env": "environment (default: LLM_FLEET_ENV, or the stack selected in Pulumi)",
    "instance": "instance type instead of the environment's; alone, needs no environment",
    "preset": "resume-analysis, support-chat or long-documents",
    "gpu-memory-utilization": "share of each GPU for the engine, 0 to 1",
    "max-model-len": "longest request, prompt and answer, in tokens",
    "config-json": "the model's own config.json, for one that the catalogue lacks",
    "json": "print JSON only",
}


@task(help=HELP)
def plan(
    _context: Any,
    *,
    model: str | None = None,
    env: str | None = None,
    instance: str | None = None,
    preset: str | None = None,
    gpu_memory_utilization: str | None = None,
    max_model_len: str | None = None,
    config_json: str | None = None,
    json: bool = False,
) -> None:
    """Say whether a model fits, how much it serves at once, and how long it takes to start."""
    from provision.planning.start_time import estimate
    from provision.report import sizing as report

    environment = _environment(env) if env or not instance else None
    engine = _engine(environment, preset, gpu_memory_utilization, max_model_len)
    served = _model(model or (environment.model.name if environment else None), config_json)
    question = _Question(served, instance, engine, environment)
    sizing = question.answer()
    start = estimate(sizing, question.cache()) if sizing.fits else None
    warnings = (*sizing.warnings, *question.disk_warnings(sizing))
    if json:
        emit_json(report.document(sizing, start, warnings))
    else:
        print(report.text(sizing, start, warnings))
    finish(0 if sizing.fits else EXIT_REFUSED)


@dataclass(frozen=True, slots=True)
class _Question:
    """A model on a type, in an environment or (None) anywhere."""

    model: Model
    instance: str | None
    engine: EngineSettings
    environment: Environment | None

    def answer(self) -> Sizing:
        """The sizing. Raises CatalogError for a type unknown, or not sold in the region."""
        from provision.catalog.instances import instance_type, instance_types
        from provision.catalog.regions import require_sold, sold_in
        from provision.config.hub import is_public
        from provision.planning.sizing import size

        if self.environment is None:
            return size(self.model, instance_type(self.instance or ""), self.engine)
        region = self.environment.region
        wanted = instance_type(self.instance or self.environment.fleet.instance_type)
        require_sold(wanted.name, region)
        return size(
            self.model,
            wanted,
            self.engine,
            hub_token=not is_public(self.environment.hub.endpoint),
            candidates=[t for t in instance_types().values() if sold_in(t.name, region)],
        )

    def cache(self) -> Any:
        """The environment's cache volume, or one as it is by default."""
        from provision.config.environment import ModelCacheSettings

        return self.environment.model_cache if self.environment else ModelCacheSettings()

    def disk_warnings(self, sizing: Sizing) -> tuple[str, ...]:
        """Which of the environment's volumes are too small."""
        from provision.planning.disk import too_small

        if self.environment is None:
            return ()
        return too_small(sizing.disk, cache=self.cache(), fleet=self.environment.fleet)


def _environment(env: str | None) -> Environment:
    choice = choose(env)
    progress(f"{choice.name}, {choice.source}")
    return choice.load()


def _engine(
    environment: Environment | None,
    preset: str | None,
    utilization: str | None,
    max_model_len: str | None,
) -> EngineSettings:
    """The environment's engine settings (or the defaults), changed by preset, then by flags."""
    from provision.config.environment import EngineSettings
    from provision.config.presets import PRESETS

    if preset is not None and preset not in PRESETS:
        raise UsageError(f"unknown preset {preset!r}", hint=f"known: {', '.join(PRESETS)}")
    changes: dict[str, Any] = dict(PRESETS[preset]) if preset else {}
    if utilization is not None:
        changes["gpu_memory_utilization"] = _share(utilization)
    if max_model_len is not None:
        changes["max_model_len"] = _tokens(max_model_len)
    return replace(environment.engine if environment else EngineSettings(), **changes)


def _share(said: str) -> float:
    try:
        value = float(said)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise UsageError(f"--gpu-memory-utilization {said!r} is no share", hint="say 0.90")
    return value


def _tokens(said: str) -> int:
    if not said.isdecimal() or int(said) == 0:
        raise UsageError(f"--max-model-len {said!r} is no number of tokens", hint="say 4096")
    return int(said)


def _model(name: str | None, config_json: str | None) -> Model:
    from provision.catalog.models import from_config, model

    if config_json is not None:
        return from_config(name or config_json, _read(Path(config_json)))
    if name is None:
        raise UsageError("which model?", hint="add --model NAME, or --config-json FILE")
    return model(name)


def _read(path: Path) -> dict[str, Any]:
    import json

    try:
        document = json.loads(path.read_text())
    except OSError as error:
        raise UsageError(f"--config-json {path}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"--config-json {path} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise UsageError(f"--config-json {path} holds no JSON object")
    return document
