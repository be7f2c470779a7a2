"""Ask this host's own front, as a client does: behind it there is no other tier that could answer.

An engine that is warm proves nothing about what stands before it: keys, paths, the tier's name and
the streaming are the front's. Asked here, with the operator's probe key, before the load balancer
sends anybody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Mapping, Tuple

from provision.agent import answers
from provision.agent.errors import AgentError
from provision.agent.events import Clock, Events
from provision.agent.exchange import Reply, exchange

FRONT_PORT = 8000
_TIER = "x-llm-tier"
_PRIMARY = "primary"
_QUESTION = "Say hello."
_TOKENS = 16
_STEP_S = 1.0
_ANSWER_S = 60.0


@dataclass(frozen=True)
class Question:
    """What is asked; a *chat* model with messages."""

    model: str
    key: str
    chat: bool = True

    @staticmethod
    def parse(request: Mapping[str, Any], *, model: str, chat: bool) -> Question:
        """With the key of the request on standard input. Raises AgentError when it has none."""
        key = request.get("key")
        if not isinstance(key, str) or not key:
            raise AgentError("the request on standard input has no key", hint='send {"key": "..."}')
        return Question(model, key, chat)

    @property
    def path(self) -> str:
        """Where it goes."""
        return "/v1/chat/completions" if self.chat else "/v1/completions"

    def body(self, *, stream: bool) -> Dict[str, Any]:
        """What it says."""
        body: Dict[str, Any] = {
            "model": self.model,
            "max_tokens": _TOKENS,
            "temperature": 0,
            "stream": stream,
        }
        if self.chat:
            return {**body, "messages": [{"role": "user", "content": _QUESTION}]}
        return {**body, "prompt": _QUESTION}


def ask(
    question: Question, timeout_s: float, *, clock: Clock, events: Events, port: int = FRONT_PORT
) -> None:
    """Return when the front answered whole and streamed, both by this host's engine.

    Tries until *timeout_s*: the front may just have started, and the agent learns of a new key
    within 20 s. Raises AgentError with the last answer.
    """
    begun = clock.monotonic()
    while True:
        left = timeout_s - (clock.monotonic() - begun)
        whole, problem = _try(question, port, clock, min(_ANSWER_S, max(left, _STEP_S)))
        if not problem:
            events.emit(
                "asked",
                model=question.model,
                seconds=round(clock.monotonic() - begun, 3),
                answer_s=round(whole.seconds, 3),
            )
            return
        if clock.monotonic() - begun >= timeout_s:
            raise AgentError(
                f"no answer of this host's own engine through its front within {timeout_s:.0f} s:"
                f" {problem}",
                hint="`fab logs` shows what front and engine say; 401 means that the agent does not"
                " know the probe key yet: `fab status` shows when it read the keys last",
            )
        clock.sleep(_STEP_S)


def _try(question: Question, port: int, clock: Clock, deadline_s: float) -> Tuple[Reply, str]:
    """The last answer, and what is wrong with it."""
    reply, problem = Reply(0, "", 0.0, 0.0), ""
    for stream in (False, True):
        reply = exchange(
            "POST",
            port,
            question.path,
            headers={
                "Content-Type": "application/json",
                "Authorization": f"Bearer {question.key}",
                "x-llm-probe": "1",
            },
            body=question.body(stream=stream),
            deadline_s=deadline_s,
            clock=clock,
        )
        problem = _problem(reply, stream=stream)
        if problem:
            return reply, f"{'streamed' if stream else 'whole'}: {problem}"
    return reply, ""


def _problem(reply: Reply, *, stream: bool) -> str:
    if reply.status == 0:
        return reply.text
    if reply.status != 200:
        return f"HTTP {reply.status}, {_tier(reply)}: {reply.text.strip()[:200]}"
    if reply.headers.get(_TIER) != _PRIMARY:
        return f"{_tier(reply)}, not {_PRIMARY}: {reply.text.strip()[:200]}"
    said, problem = answers.read(reply.text, stream=stream)
    return problem or (answers.cut(said) if said else "")


def _tier(reply: Reply) -> str:
    return f"{_TIER} {reply.headers.get(_TIER, 'missing')}"
