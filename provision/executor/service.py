"""Watching the service from outside: is a host in traffic, does our own engine answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from provision.connectors.protocols import Answer, Clock, Cloud, Http
from provision.errors import FleetError, HostError
from provision.facts.inventory import Host
from provision.secret import Secret

TIER = "x-llm-tier"
PRIMARY = "primary"
PROBE = {"x-llm-probe": "1"}  # the load balancer sends it to our own hosts at any weights
POLL_S = 1.0
_SENT_TO = ("healthy", "unhealthy", "initial")  # unhealthy too: a group without a healthy target
_QUESTION = "Say hello."


class Traffic:
    """Who is in traffic: target health is asked for once a poll however many hosts wait for it."""

    def __init__(
        self, cloud: Cloud, clock: Clock, *, confirm: Callable[[], None] = lambda: None
    ) -> None:
        self._cloud, self._clock, self._confirm = cloud, clock, confirm
        self._lock = threading.Lock()
        self._states: dict[str, tuple[str, str]] = {}
        self._read_at: float | None = None
        self._leaving: set[str] = set()
        self._served: set[str] = set()  # of those: the mark of a host makes it unhealthy

    def wait(self, host: Host, *, timeout_s: float, stopped: Callable[[], bool]) -> None:
        """Return when the load balancer calls *host* healthy; HostError when it never does."""
        until = self._clock.monotonic() + timeout_s
        while True:
            state, reason = self._state(host.name)
            if state == "healthy":
                return
            if stopped() or self._clock.monotonic() >= until:
                said = f"{state}: {reason}" if reason else state
                raise HostError(
                    host.name,
                    f"the load balancer does not send it traffic after {timeout_s:.0f} s ({said})",
                    hint="the check is GET :8081/healthz/deep from the load balancer's subnets:"
                    " look at the host's security group and `fab status`",
                )
            self._clock.sleep(POLL_S)

    def make_way(
        self, host: Host, *, timeout_s: float, stopped: Callable[[], bool], others: int
    ) -> None:
        """A host that is healthy, or was when it first asked, waits until at least *others* beside
        it are; from then on nobody counts on it. Raises HostError when they never are."""
        until = self._clock.monotonic() + timeout_s
        while not self._may_leave(host.name, others):
            if stopped() or self._clock.monotonic() >= until:
                self._stays(host.name)
                raise HostError(
                    host.name,
                    f"it serves, and fewer than {others} other host(s) do; it stays in traffic",
                    hint="`fab status` shows what became of the others",
                )
            self._clock.sleep(POLL_S)

    def leave(
        self,
        host: Host,
        *,
        timeout_s: float,
        stopped: Callable[[], bool],
        others: int = 0,
        stays: Callable[[], None] = lambda: None,
    ) -> None:
        """Take *host* out; return when nothing new is sent there, HostError when it still is.

        It makes way as above; *stays* is called when it can't.
        """
        try:
            self.make_way(host, timeout_s=timeout_s, stopped=stopped, others=others)
        except HostError:
            stays()
            raise
        self._confirm()
        self._cloud.deregister(host.name)
        until = self._clock.monotonic() + timeout_s
        while True:
            state, _ = self._state(host.name)
            if state not in _SENT_TO:
                return
            if stopped() or self._clock.monotonic() >= until:
                raise HostError(
                    host.name,
                    f"the load balancer still calls it {state} {timeout_s:.0f} s after it was"
                    " taken out",
                    hint="who else registers it? `fab status` shows who is in traffic",
                )
            self._clock.sleep(POLL_S)

    def enter(self, host: Host) -> None:
        """Put *host* in; it gets traffic as soon as it passes the check."""
        self._confirm()
        self._cloud.register(host.name)
        self._stays(host.name)

    def _may_leave(self, name: str, others: int) -> bool:
        """Whether enough others are healthy; then it is counted as one that leaves."""
        with self._lock:
            self._read()
            healthy = {host for host, (state, _) in self._states.items() if state == "healthy"}
            if name in healthy:
                self._served.add(name)
            if name in self._served and len(healthy - self._leaving - {name}) < others:
                return False
            self._leaving.add(name)
            return True

    def _stays(self, name: str) -> None:
        with self._lock:
            self._leaving.discard(name)
            self._served.discard(name)

    def _state(self, name: str) -> tuple[str, str]:
        with self._lock:
            self._read()
            return self._states.get(name, ("not registered", ""))

    def _read(self) -> None:
        now = self._clock.monotonic()
        if self._read_at is None or now - self._read_at >= POLL_S:
            health = self._cloud.target_health()
            self._states = {one.host: (one.state, one.reason) for one in health}
            self._read_at = now


@dataclass(frozen=True, slots=True)
class Said:
    """An answer that came from our own engine, and the chunks of its streamed twin."""

    text: str
    chunks: int


def ask(
    *,
    cloud: Cloud,
    http: Http,
    clock: Clock,
    model: str,
    chat: bool,
    timeout_s: float,
    stopped: Callable[[], bool],
) -> Said:
    """Ask through the load balancer, whole and streamed, until both answers are our own engine's.

    Raises FleetError with the last answer when that does not happen within *timeout_s*.
    """
    url, body = question(cloud.outputs().endpoint, model, chat=chat)
    headers = {"Authorization": f"Bearer {key_to_ask_with(cloud).reveal()}", **PROBE}
    until = clock.monotonic() + timeout_s
    while True:
        said, wrong = _try(http, url, body, headers)
        if said is not None:
            return said
        if stopped() or clock.monotonic() >= until:
            raise FleetError(
                f"no answer of our own engine through {url} within {timeout_s:.0f} s: {wrong}",
                hint="`fab status` shows who is in traffic, `fab logs` what front and engine say",
            )
        clock.sleep(POLL_S)


def key_to_ask_with(cloud: Cloud) -> Secret:
    """The probe key. Raises FleetError when the environment has none yet."""
    key = cloud.get_secret(cloud.outputs().probe_key_secret)
    if key is None:
        raise FleetError("there is no probe key to ask with", hint="run `fab deploy`: it makes one")
    return key


def question(
    endpoint: str, model: str, *, chat: bool, tokens: int = 16
) -> tuple[str, dict[str, Any]]:
    """Where to ask, and what, for at most so many *tokens*."""
    body: dict[str, Any] = {"model": model, "max_tokens": tokens, "temperature": 0}
    if chat:
        messages = [{"role": "user", "content": _QUESTION}]
        return f"{endpoint}/v1/chat/completions", {**body, "messages": messages}
    return f"{endpoint}/v1/completions", {**body, "prompt": _QUESTION}


def problem(answer: Answer, *, tier: str = PRIMARY) -> str:
    """Why *answer* is none of *tier*, "" when it is."""
    if answer.status != 200:
        return f"HTTP {answer.status}: {answer.text[:200].strip()}"
    if answer.headers.get(TIER) != tier:
        return f"{TIER} is {answer.headers.get(TIER, 'missing')}, not {tier}"
    return ""


def _try(
    http: Http, url: str, body: Mapping[str, Any], headers: Mapping[str, str]
) -> tuple[Said | None, str]:
    try:
        whole = http.post(url, body, headers=headers, timeout_s=60)
        if wrong := problem(whole):
            return None, wrong
        streamed = http.post(url, {**body, "stream": True}, headers=headers, timeout_s=60)
    except FleetError as error:
        return None, error.message
    if wrong := problem(streamed):
        return None, f"streamed: {wrong}"
    if not streamed.chunks:
        return None, "the streamed answer had no events"
    text = _text(whole)
    return (
        (None, f"not a completion: {whole.text[:200]}")
        if text is None
        else (
            Said(text, streamed.chunks),
            "",
        )
    )


def _text(answer: Answer) -> str | None:
    try:
        choice = json.loads(answer.text)["choices"][0]
        return str(choice["message"]["content"] if "message" in choice else choice["text"])
    except (ValueError, LookupError, TypeError):
        return None
