"""The timeout chain: client -> load balancer -> front -> engine, derived from one number.

A non-streamed answer's first byte is its last, so every reader waits at least as long as the
longest generation; every backend keeps an idle connection longer than its caller does, or the
caller writes into a closed one and its client sees a 502; and whoever is stopped gets the time
to finish what it has begun.
"""

from __future__ import annotations

from dataclasses import dataclass

from provision.config.environment import EngineSettings
from provision.errors import Problem

QUEUE_MARGIN_S = 30  # an answer may wait in the engine's queue before it is generated
IDLE_MARGIN_S = 15
TEARDOWN_S = 30  # the engine's workers need about 10 s after the last answer
UPSTREAM_KEEPALIVE_S = 60

DEREGISTRATION_MAX_S = 3600  # AWS: deregistration_delay.timeout_seconds
IDLE_MAX_S = 4000  # AWS: idle_timeout.timeout_seconds
LONGEST_GENERATION_MAX_S = DEREGISTRATION_MAX_S - QUEUE_MARGIN_S


@dataclass(frozen=True, slots=True)
class TimeoutChain:
    """Every timeout on an answer's way, in whole seconds."""

    longest_generation_s: int
    engine_shutdown_s: int
    compose_grace_s: int
    deregistration_delay_s: int
    load_balancer_idle_s: int
    front_read_s: int
    front_keepalive_s: int
    front_upstream_keepalive_s: int
    engine_keepalive_s: int

    def problems(self) -> tuple[Problem, ...]:
        """What is broken in the chain; empty for one that :func:`chain` made within limits."""
        return tuple(
            Problem(f"timeouts.{lower}", _short_by(self, lower, upper, margin), why)
            for lower, upper, margin, why in _ORDER
            if getattr(self, lower) < getattr(self, upper) + margin
        ) + tuple(
            Problem(
                "engine.longest_generation_s",
                f"makes {name} {getattr(self, name)} s; AWS allows {limit} s",
                f"at most {LONGEST_GENERATION_MAX_S} s",
            )
            for name, limit in _LIMITS
            if getattr(self, name) > limit
        )

    def links(self) -> tuple[tuple[str, int, str], ...]:
        """Name, seconds and reason of every link, in the order in which an answer meets them."""
        return tuple((name, getattr(self, name), why) for name, why in _REASONS)


def chain(engine: EngineSettings) -> TimeoutChain:
    """The chain for an engine whose longest answer takes ``engine.longest_generation_s``."""
    longest = engine.longest_generation_s
    front_read = longest + QUEUE_MARGIN_S
    load_balancer_idle = front_read + IDLE_MARGIN_S
    return TimeoutChain(
        longest_generation_s=longest,
        engine_shutdown_s=longest,
        compose_grace_s=longest + TEARDOWN_S,
        deregistration_delay_s=front_read,
        load_balancer_idle_s=load_balancer_idle,
        front_read_s=front_read,
        front_keepalive_s=load_balancer_idle + IDLE_MARGIN_S,
        front_upstream_keepalive_s=UPSTREAM_KEEPALIVE_S,
        engine_keepalive_s=UPSTREAM_KEEPALIVE_S + IDLE_MARGIN_S,
    )


# (longer, shorter, by how much at least, what happens otherwise)
_ORDER = (
    ("engine_shutdown_s", "longest_generation_s", 0, "a stop would cut answers off"),
    ("compose_grace_s", "engine_shutdown_s", TEARDOWN_S, "Docker would kill a draining engine"),
    ("deregistration_delay_s", "engine_shutdown_s", 0, "draining would cut answers off"),
    ("front_read_s", "longest_generation_s", 0, "the front would throw good answers away"),
    ("load_balancer_idle_s", "front_read_s", 1, "the load balancer would answer 504 first"),
    ("front_keepalive_s", "load_balancer_idle_s", 1, "idle connections would end in 502"),
    ("engine_keepalive_s", "front_upstream_keepalive_s", 1, "idle connections would end in 502"),
)

_LIMITS = (
    ("deregistration_delay_s", DEREGISTRATION_MAX_S),
    ("load_balancer_idle_s", IDLE_MAX_S),
)

_REASONS = (
    ("longest_generation_s", "the number that the others follow from"),
    ("load_balancer_idle_s", "longer than the front reads, so that the front decides"),
    ("front_keepalive_s", "longer than the load balancer keeps an idle connection"),
    ("front_read_s", "the longest answer and its wait in the queue"),
    ("front_upstream_keepalive_s", "how long the front keeps an idle connection to the engine"),
    ("engine_keepalive_s", "longer than the front keeps it"),
    ("deregistration_delay_s", "answers in flight end before a host leaves"),
    ("engine_shutdown_s", "a stopping engine finishes its longest answer"),
    ("compose_grace_s", "and gets the time to take its workers down"),
)


def _short_by(chain: TimeoutChain, lower: str, upper: str, margin: int) -> str:
    least = getattr(chain, upper) + margin
    sum_of = f"{upper} + {margin} s" if margin else upper
    return f"{getattr(chain, lower)} s is less than {least} s ({sum_of})"
