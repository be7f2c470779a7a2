"""One environment, as ``Pulumi.<env>.yaml`` describes it for Pulumi and Fabric alike.

Each section of the file is one dataclass, key for key: the file says ``fleet.instance_type``, the
value is ``environment.fleet.instance_type``. ``None`` means "not said": whoever uses the value
decides (and prints what it decided). :mod:`provision.config.parse` reads it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from provision.config.fallback import FallbackSettings


class OperatingSystem(StrEnum):
    """Operating systems of hosts that set-up knows."""

    UBUNTU_2204 = "ubuntu-22.04"
    UBUNTU_2404 = "ubuntu-24.04"
    AL2023 = "amazon-linux-2023"
    DEBIAN_12 = "debian-12"  # the rehearsal's hosts


class Egress(StrEnum):
    """How private hosts reach the outside: a NAT gateway, or only AWS through endpoints."""

    NAT = "nat"
    ENDPOINTS = "endpoints"


class Scheme(StrEnum):
    """Where the load balancer stands."""

    INTERNAL = "internal"
    INTERNET_FACING = "internet-facing"


class Purchase(StrEnum):
    """How instances are bought at launch. Reservations are a bill, not a resource."""

    ON_DEMAND = "on-demand"
    SPOT = "spot"


class Transport(StrEnum):
    """How SSH reaches a host."""

    SSM = "ssm"
    DIRECT = "direct"


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Which model is served.

    ``name`` is a catalogue name (``mistral-7b``) or a Hub id (``org/name``); ``served_name`` is
    what clients put into ``"model"`` (default: ``name``).
    """

    name: str
    revision: str | None = None
    served_name: str | None = None
    preset: str | None = None


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How vLLM is run. Names are vLLM's own flags where there is one.

    ``longest_generation_s`` is the one number from which the timeout chain is derived.
    """

    image: str = "vllm/vllm-openai:v0.32.0"
    max_model_len: int = 4096
    gpu_memory_utilization: float = 0.90
    kv_cache_dtype: str = "auto"
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    max_num_queued_reqs: int = 128
    tensor_parallel_size: int | None = None
    replicas_per_host: int | None = None
    longest_generation_s: int = 120
    extra_args: dict[str, str | int | float | bool] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    extra_pip: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FleetSettings:
    """The GPU hosts."""

    instance_type: str = "g5.xlarge"
    hosts: int = 1
    max_hosts: int | None = None
    zones: int = 1
    os: OperatingSystem = OperatingSystem.UBUNTU_2404
    ami: str | None = None
    purchase: Purchase = Purchase.ON_DEMAND
    capacity_reservation_id: str | None = None
    capacity_block: bool = False
    root_volume_gib: int = 100


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """A new VPC (``cidr``), or an existing one (``vpc_id`` with its subnets)."""

    cidr: str = "10.40.0.0/16"
    egress: Egress = Egress.NAT
    vpc_id: str | None = None
    private_subnet_ids: tuple[str, ...] = ()
    public_subnet_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelCacheSettings:
    """The gp3 volumes that hold weights and compile caches, one a host, claimed at boot."""

    size_gib: int = 100
    throughput_mibps: int = 125
    iops: int = 3000
    kms_key_arn: str | None = None
    snapshot_every_hours: int | None = 24
    snapshots_kept: int = 3


@dataclass(frozen=True, slots=True)
class LoadBalancerSettings:
    """The ALB. Internet-facing without a certificate is refused.

    ``domain_name`` is the name on the certificate, under which clients reach the load balancer.
    """

    scheme: Scheme = Scheme.INTERNAL
    certificate_arn: str | None = None
    domain_name: str | None = None
    allowed_cidrs: tuple[str, ...] = ()
    deletion_protection: bool = False


@dataclass(frozen=True, slots=True)
class AccessSettings:
    """How an operator gets onto a host."""

    transport: Transport = Transport.SSM
    user: str = "ubuntu"
    port: int = 22
    identity_file: str = "~/.ssh/llm-fleet_ed25519"
    aws_command: str = "aws"
    connect_timeout_s: int = 20


@dataclass(frozen=True, slots=True)
class FrontSettings:
    """The nginx before the engine."""

    image: str = "nginx:1.28.0"
    max_body_kib: int = 1024
    requests_per_minute_per_key: int = 600


@dataclass(frozen=True, slots=True)
class WarmUpExpectation:
    """A question to which the model knows the answer: the expression is to be found in it."""

    prompt: str | None = None
    matches: str | None = None


@dataclass(frozen=True, slots=True)
class HealthSettings:
    """When the agent on a host says ready, and when it gives up on an engine."""

    ready_timeout_s: int = 1200
    warmup_max_ttft_s: float = 5.0
    warmup_slowdown: float | None = 3.0
    warmup_expect: WarmUpExpectation = field(default_factory=WarmUpExpectation)
    bake_max_error_share: float = 0.02
    canary_interval_s: float = 5.0
    canary_deadline_s: float = 5.0
    canary_misses: int = 3
    crash_limit: int = 3
    crash_window_s: int = 600
    replace_after_s: int | None = 600


@dataclass(frozen=True, slots=True)
class ObservabilitySettings:
    """Logs and alarms."""

    log_retention_days: int = 30
    alarm_email: str | None = None


@dataclass(frozen=True, slots=True)
class BudgetSettings:
    """What a month may cost. ``pulumi preview`` fails when the estimate is higher."""

    max_monthly_usd: float | None = None


@dataclass(frozen=True, slots=True)
class UsageSettings:
    """What a month is assumed to bring, for the bill that ``fab cost.preview`` draws up.

    Everything that no resource says; docs/cost-preview.md has the formula for each. Shares are 0
    to 1, "host" means one host for one month, and GB are AWS's: 2**30 bytes. The hours are those
    that hosts run: all else stands the whole month.
    """

    requests_per_month: int = 1_000_000
    input_tokens: int = 700
    output_tokens: int = 100
    fallback_share: float = 0.0
    fallback_api: str | None = None
    hours_per_month: float = 730.0
    response_s: float = 8.0
    requests_per_connection: float = 1.0
    bytes_per_input_token: int = 5
    bytes_per_output_token: int = 250
    internet_share: float | None = None
    nat_gb_per_host: float = 10.0
    endpoint_gb_per_host: float = 5.0
    logs_gb_per_host: float = 1.0
    logs_scanned_gb: float = 10.0
    metrics_per_host: int = 0
    releases_per_month: int = 4
    image_gb: float = 10.0
    images_stored: int = 3
    weights_gb: float | None = None
    weights_revisions: int = 2
    snapshot_changed_share: float = 0.05


@dataclass(frozen=True, slots=True)
class ToolkitSettings:
    """Where the NVIDIA Container Toolkit comes from (a mirror is fine)."""

    deb_repository: str = "https://nvidia.github.io/libnvidia-container/stable/deb/amd64"
    deb_key_url: str = "https://nvidia.github.io/libnvidia-container/gpgkey"
    rpm_repository_file: str = (
        "https://nvidia.github.io/libnvidia-container/stable/rpm/nvidia-container-toolkit.repo"
    )


@dataclass(frozen=True, slots=True)
class HubSettings:
    """Where weights come from the first time (a Hugging Face mirror is fine)."""

    endpoint: str = "https://huggingface.co"


@dataclass(frozen=True, slots=True)
class AwsSettings:
    """How AWS is reached. ``endpoint_url`` sends every call to one place (VPC proxy, rehearsal)."""

    profile: str | None = None
    endpoint_url: str | None = None


@dataclass(frozen=True, slots=True)
class Environment:
    """Everything that is said about one environment."""

    name: str
    region: str
    owner: str
    model: ModelChoice
    engine: EngineSettings = field(default_factory=EngineSettings)
    fleet: FleetSettings = field(default_factory=FleetSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    model_cache: ModelCacheSettings = field(default_factory=ModelCacheSettings)
    load_balancer: LoadBalancerSettings = field(default_factory=LoadBalancerSettings)
    access: AccessSettings = field(default_factory=AccessSettings)
    front: FrontSettings = field(default_factory=FrontSettings)
    health: HealthSettings = field(default_factory=HealthSettings)
    fallback: FallbackSettings = field(default_factory=FallbackSettings)
    observability: ObservabilitySettings = field(default_factory=ObservabilitySettings)
    budget: BudgetSettings = field(default_factory=BudgetSettings)
    usage: UsageSettings = field(default_factory=UsageSettings)
    toolkit: ToolkitSettings = field(default_factory=ToolkitSettings)
    hub: HubSettings = field(default_factory=HubSettings)
    aws: AwsSettings = field(default_factory=AwsSettings)

    @property
    def prefix(self) -> str:
        """What every AWS name of this environment begins with: ``llm-fleet-<env>``."""
        return f"llm-fleet-{self.name}"

    @property
    def parameter_root(self) -> str:
        """What every SSM parameter of this environment begins with: ``/llm-fleet/<env>``."""
        return f"/llm-fleet/{self.name}"

    @property
    def secret_root(self) -> str:
        """What every secret of this environment begins with: ``llm-fleet/<env>``."""
        return f"llm-fleet/{self.name}"
