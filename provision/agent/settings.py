"""What the host was told: ``host.json`` by user data, ``agent.json`` by the release."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import Any, Dict, Mapping, Optional, Tuple

from provision.agent.errors import AgentError

LOOK_S = 2.0  # between two looks at an engine


@dataclass(frozen=True)
class CacheSettings:
    """How a cache volume is made when none is free."""

    size_gib: int
    throughput_mibps: int
    iops: int
    kms_key_arn: Optional[str]
    max_volumes: int


@dataclass(frozen=True)
class Hook:
    """The lifecycle hook by which the *group* waits for a host that it ends, and for how long."""

    group: str
    name: str
    heartbeat_s: float


@dataclass(frozen=True)
class HostSettings:
    """``/etc/llm-fleet/host.json``. Without ``cache`` the cache is a plain folder."""

    environment: str
    region: str
    bucket: str
    parameter_root: str
    secret_root: str
    target_group_arn: Optional[str] = None
    aws_endpoint_url: Optional[str] = None
    cache: Optional[CacheSettings] = None
    hook: Optional[Hook] = None

    @staticmethod
    def parse(document: Mapping[str, Any]) -> HostSettings:
        """Read the document. Raises AgentError naming the missing key."""
        try:
            cache = document.get("cache")
            return HostSettings(
                environment=document["environment"],
                region=document["region"],
                bucket=document["bucket"],
                parameter_root=document["parameter_root"],
                secret_root=document["secret_root"],
                target_group_arn=document.get("target_group_arn") or None,
                aws_endpoint_url=document.get("aws_endpoint_url") or None,
                cache=_cache(cache) if cache else None,
                hook=_hook(document.get("hook")),
            )
        except KeyError as error:
            raise AgentError(
                f"host.json lacks {error}", hint="provision the host again: user data writes it"
            ) from None


@dataclass(frozen=True)
class Replica:
    """One engine container and the port it has on the host's loopback."""

    index: int
    port: int

    @property
    def container(self) -> str:
        """The container's name."""
        return f"llm-fleet-engine-{self.index}"


@dataclass(frozen=True)
class Expectation:
    """A question, and the regular expression that is to be found in its answer."""

    prompt: str
    matches: str
    max_tokens: int = 64

    def __post_init__(self) -> None:
        re.compile(self.matches)


@dataclass(frozen=True)
class WarmUp:
    """Prompts that an engine must answer before it takes traffic, and how fast the last one.

    Its first token may take *max_ttft_s*, and *slowdown* times what it took with the last release
    that was good on this host (None: whatever that was).
    """

    short: str
    long: str
    streamed: str
    max_tokens: int = 16
    max_ttft_s: float = 5.0
    slowdown: Optional[float] = None
    expect: Optional[Expectation] = None
    deadline_s: float = 120.0
    rounds: int = 4

    @staticmethod
    def parse(document: Mapping[str, Any]) -> WarmUp:
        """Read the section."""
        expect = document.get("expect")
        known = _known(WarmUp, document)
        return WarmUp(**{**known, "expect": Expectation(**expect) if expect else None})


@dataclass(frozen=True)
class Canary:
    """One token every *interval_s*; *misses* in a row mean that the engine hangs.

    A token that is later than *deadline_s* is a miss unless the engine works on something else
    meanwhile, so the deadline need not be longer than a step of the engine ever takes. An engine
    that hangs for *restart_after_s* is restarted.
    """

    interval_s: float = 5.0
    deadline_s: float = 5.0
    misses: int = 3
    restart_after_s: float = 60.0

    @property
    def fresh_s(self) -> float:
        """How old the last good answer may be: older than the missed ones would take."""
        return (self.interval_s + self.deadline_s + LOOK_S) * self.misses


@dataclass(frozen=True)
class Crash:
    """*limit* exits within *window_s* stop the engine for good."""

    limit: int = 3
    window_s: float = 600.0


@dataclass(frozen=True)
class Bake:
    """A host that is watched may answer this share of the questions with an error."""

    max_error_share: float = 0.02


@dataclass(frozen=True)
class AgentSettings:
    """``agent.json`` of a release. A *chat* model is asked the way its clients ask.

    Only engines of the same *layout* (model, number of engines, GPUs) can be compared. A host that
    is beyond repair for *replace_after_s* is replaced (None: never); it needs *gpus* of them. Where
    the front *leaves_out* engines, the host serves with those that are left. *tiers* are those that
    may answer its clients.
    """

    model: str
    replicas: Tuple[Replica, ...]
    warmup: WarmUp
    canary: Canary = field(default_factory=Canary)
    crash: Crash = field(default_factory=Crash)
    bake: Bake = field(default_factory=Bake)
    layout: str = ""
    gpus: int = 0
    leaves_out: bool = False
    tiers: Tuple[str, ...] = ("primary",)
    replace_after_s: Optional[float] = None
    keys_secret: str = ""
    ready_timeout_s: float = 1200.0
    chat: bool = False

    @staticmethod
    def parse(document: Mapping[str, Any]) -> AgentSettings:
        """Read the document. Raises AgentError when a key is missing.

        One that nobody knows is of a later version: while engines are changed one by one, the agent
        of the release before watches those of the next.
        """
        try:
            return AgentSettings(
                model=document["model"],
                replicas=tuple(Replica(**_known(Replica, item)) for item in document["replicas"]),
                warmup=WarmUp.parse(document["warmup"]),
                canary=Canary(**_known(Canary, document.get("canary", {}))),
                crash=Crash(**_known(Crash, document.get("crash", {}))),
                bake=Bake(**_known(Bake, document.get("bake", {}))),
                layout=document.get("layout", ""),
                gpus=int(document.get("gpus", 0)),
                leaves_out=bool(document.get("leaves_out", False)),
                tiers=tuple(document.get("tiers", ("primary",))),
                replace_after_s=_seconds(document.get("replace_after_s")),
                keys_secret=document.get("keys_secret", ""),
                ready_timeout_s=float(document.get("ready_timeout_s", 1200)),
                chat=bool(document.get("chat", False)),
            )
        except (KeyError, TypeError, re.error) as error:
            raise AgentError(
                f"agent.json of the release is not as expected: {error}",
                hint="deploy again with the version of llm-fleet that rendered the release",
            ) from None


def _known(shape: Any, document: Mapping[str, Any]) -> Dict[str, Any]:
    """What *shape* has a field for."""
    names = {one.name for one in fields(shape)}
    return {name: value for name, value in document.items() if name in names}


def _seconds(said: Optional[float]) -> Optional[float]:
    return None if said is None else float(said)


def _cache(document: Mapping[str, Any]) -> CacheSettings:
    values: Dict[str, Any] = dict(document)
    return CacheSettings(
        size_gib=int(values["size_gib"]),
        throughput_mibps=int(values["throughput_mibps"]),
        iops=int(values["iops"]),
        kms_key_arn=values.get("kms_key_arn") or None,
        max_volumes=int(values["max_volumes"]),
    )


def _hook(document: Optional[Mapping[str, Any]]) -> Optional[Hook]:
    if not document:
        return None
    return Hook(str(document["group"]), str(document["name"]), float(document["heartbeat_s"]))
