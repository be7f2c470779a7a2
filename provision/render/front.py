"""The front: nginx before the engine, the same on every host."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import combinations

from provision.config.environment import FrontSettings
from provision.config.timeouts import TimeoutChain
from provision.render.places import ETC, FRONT_PORT, RUN
from provision.render.templates import render

# The paths that serve models; everything else of the engine (metrics, tokenize, an unauthenticated
# /invocations) stays inside. Embeddings too: what is sized and warmed here generates text.
OPEN_PATHS = ("/v1/chat/completions", "/v1/completions", "/v1/models")

# How long the front remembers that a key is good. The agent learns of a revocation within 20 s,
# so a revoked key is refused within 40 s.
KEY_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Places:
    """What the configuration names outside itself; the defaults are those of the container."""

    listen: str = str(FRONT_PORT)
    scratch: str = "/var/cache/nginx"
    hop: str = f"{ETC}/hop.conf"
    agent_socket: str = f"{RUN}/agent.sock"
    out: str = f"{RUN}/out"
    access_log: str = "/dev/stdout"


@dataclass(frozen=True, slots=True)
class _Error:
    """An answer of the front itself, in the shape that OpenAI clients understand."""

    status: int
    message: str
    type: str
    code: str

    @property
    def body(self) -> dict[str, dict[str, str | None]]:
        fields = {"message": self.message, "type": self.type, "param": None, "code": self.code}
        return {"error": fields}


# nginx's own status -> what the client gets. 500 is nginx's word for a key check that failed.
_ERRORS = {
    400: _Error(400, "The request is malformed.", "invalid_request_error", "bad_request"),
    401: _Error(401, "Incorrect API key provided.", "invalid_request_error", "invalid_api_key"),
    404: _Error(404, "No such path here.", "invalid_request_error", "unknown_url"),
    413: _Error(
        413, "The request body is too large.", "invalid_request_error", "request_too_large"
    ),
    429: _Error(429, "Too many requests with this key.", "requests", "rate_limit_exceeded"),
    500: _Error(503, "Keys can not be checked right now.", "server_error", "key_check_failed"),
    502: _Error(502, "The engine can not be reached.", "server_error", "engine_unreachable"),
    504: _Error(504, "The engine did not answer in time.", "server_error", "engine_timeout"),
}


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
) -> str:
    """The whole ``nginx.conf``.

    *engines* are the replicas' ``address:port``; *key_seconds* is how long a key that was good is
    not asked about again.
    """
    places = places or Places()
    return render(
        "nginx.conf",
        engines=list(engines),
        left_out=left_out(engines),
        chain=chain,
        paths=OPEN_PATHS,
        errors=_ERRORS,
        key_seconds=key_seconds,
        max_body_kib=front.max_body_kib,
        requests_per_minute=front.requests_per_minute_per_key,
        listen=places.listen,
        scratch=places.scratch,
        hop=places.hop,
        agent_socket=places.agent_socket,
        out=places.out,
        access_log=places.access_log,
    )
