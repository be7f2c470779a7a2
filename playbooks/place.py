"""What a cost task is about: an environment, or flags alone, or flags over an environment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from playbooks import amounts
from playbooks.choice import choose
from playbooks.frame import progress
from provision.config import load
from provision.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from provision.catalog.model import Model
    from provision.catalog.prices.book import PriceBook
    from provision.config.environment import EngineSettings, Environment, UsageSettings
    from provision.planning.benchmark import Benchmark
    from provision.planning.cost.throughput import Mix

REGION = "us-east-1"
MODEL = "mistral-7b"
_MOST_HOSTS = 10_000
_LONGEST = 10_000_000  # tokens, beyond any model's context


@dataclass(frozen=True, slots=True)
class Place:
    """The project's folder, the environment (None: none was needed) and the folder of its file."""

    folder: Path
    environment: Environment | None
    home: Path | None = None

    @classmethod
    def choose(cls, env: str | None, *, needed: bool) -> Place:
        """The environment of *env*; without one only when it is *needed*, as every task chooses."""
        if not env and not needed:
            return cls(load.project_folder(Path.cwd()), None)
        choice = choose(env)
        progress(f"{choice.name}, {choice.source}")
        return cls(choice.folder, choice.load(), choice.file().parent)

    def book(self) -> PriceBook:
        """The prices that hold here: bundled, refreshed, and written by hand."""
        from provision.catalog.prices.load import FOLDER
        from provision.catalog.prices.load import load as load_prices

        folder = self.folder / FOLDER
        return load_prices(folder=folder if folder.is_dir() else None)

    def required(self) -> Environment:
        """The environment. Raises UsageError when there is none."""
        if self.environment is None:
            raise UsageError("which environment?", hint="add --env NAME")
        return self.environment

    def region(self, flag: str | None) -> str:
        """Where the fleet stands. Raises CatalogError for a region that does not exist."""
        from provision.catalog.lookup import unknown
        from provision.catalog.regions import regions

        name = flag or (self.environment.region if self.environment else REGION)
        if name not in regions():
            raise unknown("region", name, regions())
        return name

    def model(self, flag: str | None) -> Model:
        """The model that is served. Raises CatalogError for one that the catalogue lacks."""
        from provision.catalog.models import model

        return model(flag or (self.environment.model.name if self.environment else MODEL))

    def instance(self) -> str:
        """The environment's instance type."""
        return self.environment.fleet.instance_type if self.environment else ""

    def hosts(self, flag: str | None) -> int:
        """Hosts of the fleet: as said, else the environment's, else one. Raises UsageError."""
        if flag is not None:
            return amounts.count("--hosts", flag, most=_MOST_HOSTS)
        return self.environment.fleet.hosts if self.environment else 1

    def pricing(self) -> str:
        """How the environment buys its hosts; on demand without one."""
        if self.environment is None:
            return "on-demand"
        fleet = self.environment.fleet
        return "capacity-block" if fleet.capacity_block else fleet.purchase.value

    def requests(self) -> int | None:
        """Requests a month that the environment expects; None without one, or when it expects
        none."""
        return self.usage().requests_per_month or None if self.environment else None

    def fallback_api(self) -> str | None:
        """Who answers what falls back, as the price book calls it; None without an environment."""
        if self.environment is None:
            return None
        from provision.config.hosted import DEFAULT_API, book_name

        first = next(iter(self.environment.fallback.providers), "")
        known = book_name(first, self.book())
        return self.environment.usage.fallback_api or known or DEFAULT_API

    def benchmarks(self, model: Model) -> Mapping[str, Sequence[Benchmark]]:
        """What `fab benchmark` measured in the environment with *model*, by instance type."""
        if self.environment is None or self.home is None:
            return {}
        from playbooks import kept

        served = self.environment.model
        names = [model.name, model.repository]
        if served.name in names and served.served_name:
            names.append(served.served_name)
        return kept.read(self.home, self.environment.name, dict.fromkeys(names))

    def measured(self, model: Model, instance: str) -> tuple[Benchmark, ...]:
        """What `fab benchmark` measured with *model* on that type."""
        return tuple(self.benchmarks(model).get(instance, ()))

    def engine(self, instance: str | None = None) -> EngineSettings:
        """The environment's engine settings, or the defaults.

        How engines lie on the GPUs was said for the environment's own type: on another *instance*
        sizing decides anew.
        """
        from provision.config.environment import EngineSettings

        if self.environment is None:
            return EngineSettings()
        settings = self.environment.engine
        if instance in {None, self.environment.fleet.instance_type}:
            return settings
        return replace(settings, tensor_parallel_size=None, replicas_per_host=None)

    def fetch_benchmarks(self) -> None:
        """Copy what the environment's bucket keeps. Raises UsageError without an environment."""
        from playbooks import kept
        from playbooks.session import Session

        if self.environment is None or self.home is None:
            raise UsageError("--fetch from which environment?", hint="add --env NAME")
        with Session(self.environment) as session:
            found = kept.fetch(self.home, self.environment.name, session.cloud)
        progress(f"{found} benchmark(s) in the bucket of {self.environment.name}")

    def usage(self) -> UsageSettings:
        """The environment's traffic, or the defaults."""
        from provision.config.environment import UsageSettings

        return self.environment.usage if self.environment else UsageSettings()

    def mix(self, input_tokens: str | None, output_tokens: str | None) -> Mix:
        """What a request is made of. Raises UsageError."""
        from provision.planning.cost.throughput import Mix

        usage = self.usage()
        return Mix(
            _tokens("--input-tokens", input_tokens, usage.input_tokens),
            _tokens("--output-tokens", output_tokens, usage.output_tokens),
        )


def today() -> date:
    """The day on which prices are looked at, in UTC."""
    return datetime.now(UTC).date()


def requests(per_month: str | None, tokens_per_month: str | None, mix: Mix) -> int | None:
    """Requests a month by either flag, None when neither is said. Raises UsageError for both."""
    if per_month is not None and tokens_per_month is not None:
        raise UsageError("--requests-per-month or --tokens-per-month?", hint="one of them")
    if tokens_per_month is not None:
        tokens = amounts.count("--tokens-per-month", tokens_per_month, most=10**15)
        return max(1, round(Decimal(tokens) / mix.tokens))
    return None if per_month is None else amounts.count("--requests-per-month", per_month)


def _tokens(flag: str, said: str | None, default: int) -> int:
    return default if said is None else amounts.count(flag, said, most=_LONGEST)
