"""The front: nginx before the engine, the same on every host, and before a gateway in its task."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from provision.config.environment import Environment, FrontSettings
from provision.config.timeouts import TimeoutChain
from provision.render.places import ETC, FRONT_PORT, GATEWAY_PORT, GATEWAY_RUN, RUN
from provision.render.templates import render

# The paths that serve models; everything else of the engine (metrics, tokenize, an unauthenticated
# /invocations) stays inside. Embeddings too: what is sized and warmed here generates text.
OPEN_PATHS = ("/v1/chat/completions", "/v1/completions", "/v1/models")

# How long the front remembers that a key is good. The agent learns of a revocation within 20 s,
# so a revoked key is refused within 40 s.
KEY_SECONDS = 20

# Docker's own, on each of its networks but the default one.
RESOLVER = "127.0.0.11"


@dataclass(frozen=True, slots=True)
class Places:
    """What the configuration names outside itself; the defaults are those of a host's container."""

    listen: str = str(FRONT_PORT)
    scratch: str = "/var/cache/nginx"
    hop: str = f"{ETC}/hop.conf"
    agent_socket: str = f"{RUN}/agent.sock"
    out: str = f"{RUN}/out"
    answers: str = f"{RUN}/answers.sock"
    counting: str = f"{RUN}/counting"
    access_log: str = "/dev/stdout"


# Fargate has no tmpfs but this one, and remembered keys belong into memory.
TASK_PLACES = Places(
    scratch="/dev/shm",  # noqa: S108 - the container's own
    hop=f"{GATEWAY_RUN}/hop.conf",
    agent_socket=f"{GATEWAY_RUN}/agent.sock",
)


@dataclass(frozen=True, slots=True)
class Spill:
    """Where requests go that no engine of a host answers; *resolver* knows ``name:port``."""

    gateway: str
    resolver: str = RESOLVER


def gateway_name(environment: Environment) -> str:
    """The private DNS name under which hosts find the gateway's tasks."""
    return f"gateway.{environment.prefix}.internal"


def spill(environment: Environment) -> Spill | None:
    """Where hosts of the environment pass requests on to, None when they pass none."""
    fallback = environment.fallback
    if not (fallback.exists and fallback.spill):
        return None
    return Spill(f"{gateway_name(environment)}:{FRONT_PORT}")


@dataclass(frozen=True, slots=True)
class _Error:
    """An answer of the front itself, in the shape that OpenAI clients understand.

    An *early* one is given to requests of which nginx may not know the path.
    """

    status: int
    message: str
    type: str
    code: str
    early: bool = False

    @property
    def place(self) -> str:
        """Where it is given. nginx enters no named location without knowing the request's path."""
        return "/internal/error_" if self.early else "@error_"

    @property
    def body(self) -> dict[str, dict[str, str | None]]:
        fields = {"message": self.message, "type": self.type, "param": None, "code": self.code}
        return {"error": fields}


def _wrong(status: int, message: str, code: str, *, early: bool = False) -> _Error:
    return _Error(status, message, "invalid_request_error", code, early)


def _broken(status: int, message: str, code: str) -> _Error:
    return _Error(status, message, "server_error", code)


# nginx's own status -> what the client gets. 494 is nginx's word for a head that is too large, 500
# for a key check that failed.
_ERRORS = {
    400: _wrong(400, "The request is malformed.", "bad_request", early=True),
    401: _wrong(401, "Incorrect API key provided.", "invalid_api_key"),
    404: _wrong(404, "No such path here.", "unknown_url"),
    405: _wrong(405, "No such method here.", "unknown_method", early=True),
    413: _wrong(413, "The request body is too large.", "request_too_large"),
    414: _wrong(414, "The URL is too long.", "url_too_long", early=True),
    494: _wrong(431, "The request headers are too large.", "headers_too_large"),
    429: _Error(429, "Too many requests with this key.", "requests", "rate_limit_exceeded"),
    500: _broken(503, "Keys can not be checked right now.", "key_check_failed"),
    501: _wrong(501, "No such transfer encoding here.", "unknown_encoding"),
    505: _wrong(505, "No such version of HTTP here.", "unknown_version", early=True),
}
_ENGINE_ERRORS = {
    502: _broken(502, "The engine can not be reached.", "engine_unreachable"),
    504: _broken(504, "The engine did not answer in time.", "engine_timeout"),
}
_GATEWAY_ERRORS = {
    502: _broken(502, "The gateway can not be reached.", "gateway_unreachable"),
    504: _broken(504, "The gateway did not answer in time.", "gateway_timeout"),
}
_LOCAL_ONLY = _broken(
    503, "The request must not leave the fleet, and the fleet can not answer it.", "local_only"
)
_NOBODY = _broken(503, "Neither the fleet nor a hosted API can answer right now.", "nobody_answers")


def left_out(engines: Sequence[str]) -> dict[str, list[str]]:
    """The upstream groups beside ``engines``: of several, one for each choice of those left out.

    ``engines_0_3`` is all but 0 and 3. Where none would be left there are all: whoever asks then
    gets the engine's own answer.
    """
    if len(engines) == 1:
        return {}
    numbers = range(len(engines))
    choices = [out for size in numbers for out in combinations(numbers, size + 1)]
    return {"_".join(("engines", *map(str, out))): _but(engines, out) for out in choices}


def _but(engines: Sequence[str], out: Collection[int]) -> list[str]:
    left = [engine for number, engine in enumerate(engines) if number not in out]
    return left or list(engines)


def nginx_config(
    front: FrontSettings,
    *,
    engines: Sequence[str],
    chain: TimeoutChain,
    places: Places | None = None,
    key_seconds: int = KEY_SECONDS,
    spill: Spill | None = None,
) -> str:
    """The whole ``nginx.conf`` of a host.

    *engines* are the replicas' ``address:port``; *key_seconds* is how long a key that was good is
    not asked about again; with *spill* the gateway gets what no engine answers.
    """
    return _config(
        front,
        places or Places(),
        engines=list(engines),
        left_out=left_out(engines),
        chain=chain,
        key_seconds=key_seconds,
        errors=_ERRORS | _ENGINE_ERRORS,
        spill=spill,
        hosted=False,
        refusals={"local_only": _LOCAL_ONLY, "nobody": _NOBODY} if spill else {},
    )


def gateway_config(
    front: FrontSettings,
    *,
    chain: TimeoutChain,
    gateway: str = f"127.0.0.1:{GATEWAY_PORT}",
    places: Places = TASK_PLACES,
    key_seconds: int = KEY_SECONDS,
) -> str:
    """The whole ``nginx.conf`` of a gateway's task; *gateway* is its program's ``address:port``."""
    return _config(
        front,
        places,
        engines=[gateway],
        left_out={},
        chain=chain,
        key_seconds=key_seconds,
        errors=_ERRORS | _GATEWAY_ERRORS,
        spill=None,
        hosted=True,
        refusals={"local_only": _LOCAL_ONLY},
    )


def _config(front: FrontSettings, places: Places, **values: Any) -> str:
    return render(
        "nginx.conf",
        paths=OPEN_PATHS,
        max_body_kib=front.max_body_kib,
        requests_per_minute=front.requests_per_minute_per_key,
        listen=places.listen,
        scratch=places.scratch,
        hop=places.hop,
        agent_socket=places.agent_socket,
        out=places.out,
        answers=places.answers,
        counting=places.counting,
        access_log=places.access_log,
        **values,
    )
