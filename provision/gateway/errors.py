"""What goes wrong on purpose-built paths."""

from __future__ import annotations


class GatewayError(Exception):
    """An expected failure: *reason* says what, *hint* the next thing to do."""

    def __init__(self, reason: str, *, hint: str = "") -> None:
        super().__init__(f"{reason}; {hint}" if hint else reason)
        self.reason = reason
        self.hint = hint


class SettingsError(GatewayError):
    """What the task was told is not as expected."""


class SpendUnknown(GatewayError):
    """The counter can't be reached, or said no: nobody knows what was spent."""


class StoreUnreachable(GatewayError):
    """The kept answers can't be reached."""
