"""What a single value may be: one rule a field, by dotted path. Types come from the dataclass."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from operator import attrgetter
from urllib.parse import urlsplit

from provision.config.environment import Environment
from provision.config.fallback_rules import RULES as FALLBACK
from provision.config.presets import PRESETS
from provision.config.rule import IMAGE, Rule, between, matching, one_of
from provision.config.schema import shown
from provision.config.timeouts import LONGEST_GENERATION_MAX_S
from provision.errors import Problem

# `llm-fleet-<name>-fallback` names a target group, and AWS gives those 32 characters.
NAME_MAX = 12


def is_expression(text: str) -> bool:
    """A regular expression that says something."""
    try:
        return bool(text) and re.compile(text) is not None
    except re.error:
        return False


def is_network(text: str) -> bool:
    """An IPv4 network such as 10.0.0.0/16, with no bit set beyond its prefix."""
    try:
        return "/" in text and bool(ipaddress.IPv4Network(text))
    except ValueError:
        return False


def is_vpc_network(text: str) -> bool:
    """A private IPv4 network that AWS accepts for a VPC and that leaves room for subnets."""
    if not is_network(text):
        return False
    network = ipaddress.IPv4Network(text)
    return network.is_private and 16 <= network.prefixlen <= 22


def is_safe_url(text: str) -> bool:
    """HTTPS, or plain HTTP to a place that only the private network can reach."""
    try:
        url = urlsplit(text)
    except ValueError:  # a bracket that is no IPv6 address
        return False
    host = url.hostname or ""
    if url.scheme == "https":
        return "." in host or host == "localhost"
    return url.scheme == "http" and is_private_host(host)


def is_private_host(host: str) -> bool:
    """A private or loopback address, or a name that no public server can have."""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return bool(host) and ("." not in host or host.endswith((".internal", ".local", ".test")))


def check(environment: Environment) -> Iterator[Problem]:
    """One problem for each value that breaks its rule. ``None`` breaks none."""
    for path, rule in RULES.items():
        value = attrgetter(path)(environment)
        if isinstance(value, tuple):
            named = [(f"{path}[{index}]", item) for index, item in enumerate(value)]
        else:
            named = [(path, value)]
        for where, item in named:
            if item is not None and not rule.holds(item):
                yield Problem(where, f"{shown(item)} is not {rule.says}", rule.hint(item))


_URL_RULE = Rule("a URL with https, or with http to a private address", is_safe_url, lambda _: "")
_SUBNET_RULE = matching(r"subnet-[0-9a-f]{8}(?:[0-9a-f]{9})?", "a subnet id, like subnet-0a1b2c3d")
_WORD = r"[A-Za-z0-9][\w.-]*"
# Values that the services accept, not ranges: CloudWatch Logs and Data Lifecycle Manager.
_RETENTION_DAYS = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
)  # fmt: skip
_SNAPSHOT_HOURS = (1, 2, 3, 4, 6, 8, 12, 24)
_KV_CACHE_DTYPES = (
    "auto", "float16", "bfloat16", "fp8", "fp8_e4m3", "fp8_e5m2", "fp8_per_token_head",
    "int8_per_token_head", "int4_per_token_head", "nvfp4",
)  # fmt: skip

RULES: dict[str, Rule] = {
    "name": Rule(
        f"a name of at most {NAME_MAX} small letters, digits and single hyphens",
        lambda value: bool(re.fullmatch(r"[a-z](?:-?[a-z0-9])*", value)) and len(value) <= NAME_MAX,
        lambda _: "AWS gives a target group 32 characters: llm-fleet-<name>-fallback",
    ),
    "region": matching(r"[a-z]{2}(?:-[a-z]+)+-\d", "an AWS region, like us-east-1"),
    "owner": matching(
        r"[\w.:/=+@ -]{1,128}", "a tag value of 1 to 128 letters, digits, ' .:/=+@-'"
    ),
    "model.name": matching(f"{_WORD}(?:/{_WORD})?", "a catalogue name or a Hub id (org/name)"),
    "model.revision": matching(
        r"[0-9a-f]{40}", "a commit of the Hub, 40 hexadecimal digits", "a branch or a tag can move"
    ),
    "model.served_name": matching(
        r"[\w./:-]{1,96}", "a name of at most 96 letters, digits and '._/:-'"
    ),
    "model.preset": one_of(tuple(PRESETS)),
    "engine.image": IMAGE,
    "engine.max_model_len": between(64, 1_048_576, "tokens"),
    "engine.gpu_memory_utilization": between(0.1, 0.98, "of the GPU's memory"),
    "engine.kv_cache_dtype": one_of(_KV_CACHE_DTYPES),
    "engine.max_num_seqs": between(1, 4096, "sequences"),
    "engine.max_num_batched_tokens": between(64, 1_048_576, "tokens"),
    "engine.max_num_queued_reqs": between(1, 100_000, "requests"),
    "engine.tensor_parallel_size": one_of((1, 2, 4, 8)),
    "engine.replicas_per_host": between(1, 8, "replicas"),
    "engine.longest_generation_s": between(5, LONGEST_GENERATION_MAX_S, "seconds"),
    "engine.extra_pip": matching(
        rf"{_WORD}(?:\[[\w,-]+\])?==[\w.!+]+", "a pinned package, like vllm[runai]==0.32.0"
    ),
    "engine.mounts": matching(
        r"/[^:\s]*:/[^:\s]*(?::ro)?", "a mount of absolute paths, like /from:/to:ro"
    ),
    "fleet.instance_type": matching(r"[a-z][a-z0-9-]*\.[a-z0-9-]+", "an EC2 type, like g5.xlarge"),
    "fleet.hosts": between(1, 1000, "hosts"),
    "fleet.max_hosts": between(1, 1000, "hosts"),
    "fleet.zones": between(1, 6, "zones"),
    "fleet.ami": matching(
        r"ami-[0-9a-f]{8}(?:[0-9a-f]{9})?",
        "an AMI id, like ami-0123456789abcdef0",
        "`fab config.refresh-ami` writes the newest",
    ),
    "fleet.capacity_reservation_id": matching(
        r"cr-[0-9a-f]{8,17}", "a capacity reservation, like cr-0123456789abcdef0"
    ),
    "fleet.root_volume_gib": between(75, 16_384, "GiB (the image itself takes about 50)"),
    "network.cidr": Rule("a private network of /16 to /22, like 10.40.0.0/16", is_vpc_network),
    "network.vpc_id": matching(r"vpc-[0-9a-f]{8}(?:[0-9a-f]{9})?", "a VPC id, like vpc-0a1b2c3d"),
    "network.private_subnet_ids": _SUBNET_RULE,
    "network.public_subnet_ids": _SUBNET_RULE,
    "model_cache.size_gib": between(10, 65_536, "GiB"),
    "model_cache.throughput_mibps": between(125, 2000, "MiB/s"),
    "model_cache.iops": between(3000, 80_000, "IOPS"),
    "model_cache.kms_key_arn": matching(
        r"arn:aws[\w-]*:kms:[\w-]+:\d{12}:key/[\w-]+", "the ARN of a KMS key (not of an alias)"
    ),
    "model_cache.snapshot_every_hours": one_of(_SNAPSHOT_HOURS),
    "model_cache.snapshots_kept": between(1, 1000, "snapshots"),
    "load_balancer.certificate_arn": matching(
        r"arn:aws[\w-]*:acm:[\w-]+:\d{12}:certificate/[\w-]+", "the ARN of an ACM certificate"
    ),
    "load_balancer.domain_name": matching(
        r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}", "a domain name, in small letters"
    ),
    "load_balancer.allowed_cidrs": Rule("an IPv4 network, like 203.0.113.0/24", is_network),
    "access.user": matching(r"[a-z_][a-z0-9_-]{0,31}", "a Linux user name"),
    "access.port": between(1, 65_535, "(a port)"),
    "access.identity_file": matching(r"\S.*", "a file name"),
    "access.aws_command": matching(r"\S+", "one program, without arguments"),
    "access.connect_timeout_s": between(1, 300, "seconds"),
    "front.image": IMAGE,
    "front.max_body_kib": between(1, 102_400, "KiB"),
    "front.requests_per_minute_per_key": between(1, 1_000_000, "requests a minute"),
    "health.ready_timeout_s": between(60, 7200, "seconds"),
    "health.warmup_max_ttft_s": between(0.1, 600, "seconds"),
    "health.warmup_slowdown": between(1.1, 1000, "times"),
    "health.warmup_expect.prompt": matching(r"(?s).{1,1000}", "1 to 1,000 characters"),
    "health.warmup_expect.matches": Rule("a regular expression of Python", is_expression),
    "health.bake_max_error_share": between(0, 1, "(a share)"),
    "health.canary_interval_s": between(1, 300, "seconds"),
    "health.canary_deadline_s": between(1, 300, "seconds"),
    "health.canary_misses": between(1, 100, "misses"),
    "health.crash_limit": between(1, 100, "crashes"),
    "health.crash_window_s": between(60, 86_400, "seconds"),
    "health.replace_after_s": between(60, 86_400, "seconds"),
    **FALLBACK,
    "observability.log_retention_days": one_of(_RETENTION_DAYS),
    "observability.alarm_email": matching(r"[^@\s]+@[^@\s]+\.[^@\s]+", "an e-mail address"),
    "budget.max_monthly_usd": between(1, 100_000_000, "US dollars"),
    "usage.requests_per_month": between(0, 1_000_000_000_000, "requests"),
    "usage.input_tokens": between(1, 10_000_000, "tokens"),
    "usage.output_tokens": between(1, 1_000_000, "tokens"),
    "usage.fallback_share": between(0, 1, "(a share)"),
    "usage.fallback_api": matching(r"[\w./:@-]{1,128}", "a hosted model, like gpt-4o-mini"),
    "usage.hours_per_month": between(1, 744, "hours"),
    "usage.response_s": between(0.01, 3600, "seconds"),
    "usage.requests_per_connection": between(1, 1_000_000, "requests"),
    "usage.bytes_per_input_token": between(1, 1000, "bytes"),
    "usage.bytes_per_output_token": between(1, 10_000, "bytes"),
    "usage.internet_share": between(0, 1, "(a share)"),
    "usage.nat_gb_per_host": between(0, 1_000_000, "GB"),
    "usage.endpoint_gb_per_host": between(0, 1_000_000, "GB"),
    "usage.logs_gb_per_host": between(0, 100_000, "GB"),
    "usage.logs_scanned_gb": between(0, 1_000_000, "GB"),
    "usage.metrics_per_host": between(0, 10_000, "metrics"),
    "usage.releases_per_month": between(0, 10_000, "releases"),
    "usage.image_gb": between(0.1, 1000, "GB"),
    "usage.images_stored": between(1, 1000, "images"),
    "usage.weights_gb": between(0.01, 100_000, "GB"),
    "usage.weights_revisions": between(1, 100, "revisions"),
    "usage.snapshot_changed_share": between(0, 1, "(a share)"),
    "toolkit.deb_repository": _URL_RULE,
    "toolkit.deb_key_url": _URL_RULE,
    "toolkit.rpm_repository_file": _URL_RULE,
    "hub.endpoint": _URL_RULE,
    "aws.profile": matching(r"\S+", "the name of a profile in ~/.aws/config"),
    "aws.endpoint_url": _URL_RULE,
}
