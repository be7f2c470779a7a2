"""Who asks for the switch: with the probe key, of the fleet and of the gateway."""

from __future__ import annotations

from collections.abc import Callable

from provision.switch.ask import PROBE_HEADER, Clock, Question, ask, ask_at_once
from provision.switch.errors import SwitchError
from provision.switch.settings import Settings
from provision.switch.values import Outcome, Token

PRIMARY_TIER, HOSTED_TIER = "primary", "hosted"
_KEY_FRESH_S = 300.0


class HttpAsker:
    """Asks over HTTP. Without a key nothing can be asked, which says nothing of those asked."""

    def __init__(self, settings: Settings, read_key: Callable[[], str], clock: Clock) -> None:
        self._policy = settings.policy
        self._read_key, self._clock = read_key, clock
        self._key: tuple[str, float] | None = None
        self._primary = Question(
            url=settings.endpoint,
            model=settings.model,
            chat=settings.chat,
            tier=PRIMARY_TIER,
            deadline_s=self._policy.token_deadline_s,
            unreachable=Outcome.UNCLEAR,  # no load balancer: no weight of it would matter
            headers={PROBE_HEADER: "1"},
        )
        self._fallback = Question(
            url=settings.gateway,
            model=settings.model,
            chat=settings.chat,
            tier=HOSTED_TIER,
            deadline_s=self._policy.hosted_deadline_s,
            unreachable=Outcome.FAILED,
            headers={PROBE_HEADER: "fallback"},
        )

    def primary(self) -> tuple[Token, ...]:
        """Several tokens at once, by the rule that leads to the primary only."""
        key = self._known_key()
        if isinstance(key, Token):
            return (key,)
        return ask_at_once(self._primary, key, self._policy.witness_tokens, self._clock)

    def fallback(self) -> Token:
        """One hosted token."""
        key = self._known_key()
        return key if isinstance(key, Token) else ask(self._fallback, key, self._clock)

    def _known_key(self) -> str | Token:
        """The key, read again every few minutes: a rotated one must not mute the switch."""
        now = self._clock.now()
        if self._key is None or now - self._key[1] > _KEY_FRESH_S:
            try:
                self._key = (self._read_key(), now)
            except SwitchError as error:
                if self._key is None:
                    return Token(Outcome.UNCLEAR, now, 0.0, str(error))
        return self._key[0]
