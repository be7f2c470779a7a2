"""What goes wrong in the switch: a reason, and the next thing to do."""

from __future__ import annotations


class SwitchError(Exception):
    """An expected failure. It leaves the weights as they are and makes the run fail."""

    def __init__(self, reason: str, *, hint: str = "") -> None:
        super().__init__(f"{reason} ({hint})" if hint else reason)
        self.reason = reason
        self.hint = hint


class SettingsError(SwitchError):
    """The document in the function's environment is not one that this version reads."""
