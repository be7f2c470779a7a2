"""What a command says on one stream: cut out between its marks, as text or line by line."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

_KEPT_LINES = 1000  # of a stream that may run for hours
_SIGN = b"\x1e"  # ASCII's record separator begins and ends a mark, and is not in a token


class Output:
    """Bytes of one command: all of them, or line by line with the last ones kept."""

    def __init__(self, on_line: Callable[[str], None] | None = None) -> None:
        self._on_line = on_line
        self._bytes = bytearray()
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)

    def take(self, data: bytes) -> None:
        """Add *data*; whole lines are handed out."""
        self._bytes += data
        if self._on_line is None or b"\n" not in data:
            return
        *lines, rest = bytes(self._bytes).split(b"\n")
        self._bytes = bytearray(rest)
        for line in lines:
            self._hand_out(line, self._on_line)

    def text(self) -> str:
        """All of it, or the last thousand lines of what was handed out; nothing comes after."""
        if self._on_line is None:
            return self._bytes.decode(errors="replace")
        if self._bytes:
            self._hand_out(bytes(self._bytes), self._on_line)
            self._bytes.clear()
        return "".join(f"{line}\n" for line in self._lines)

    def _hand_out(self, line: bytes, on_line: Callable[[str], None]) -> None:
        text = line.decode(errors="replace").removesuffix("\r")
        self._lines.append(text)
        on_line(text)


class Framed:
    """A stream that holds one command's output between ``SIGN token<`` and ``SIGN token>0 SIGN``.

    What comes before belongs to a start-up file, or to something that an earlier command left
    running. It counts only when no command began: then it says why.
    """

    def __init__(self, token: str, output: Output) -> None:
        self._output = output
        self._first = b"\x1e%b<" % token.encode()
        self._last = b"\x1e%b>" % token.encode()
        self._begun = False
        self._pending = bytearray()
        self.status: int | None = None

    @property
    def ended(self) -> bool:
        """Whether the last mark is there, and with it the exit ``status``."""
        return self.status is not None

    def take(self, data: bytes) -> None:
        """Add what came over the wire, cut anywhere."""
        if self.ended:
            return
        self._pending += data
        if not self._begun:
            _, mark, after = self._pending.partition(self._first)
            if not mark:
                return
            self._begun, self._pending = True, after
        said, mark, after = self._pending.partition(self._last)
        if not mark:
            self._pass_on(len(said) - self._doubtful(said))
            return
        status, sign, _ = after.partition(_SIGN)
        if sign:
            self._pass_on(len(said))
            self.status = int(status)

    def text(self) -> str:
        """What the command said; see :meth:`Output.text`."""
        if not self.ended:
            self._pass_on(len(self._pending))
        return self._output.text()

    def _doubtful(self, said: bytearray) -> int:
        """Length of the tail that may be the beginning of the last mark."""
        at = said.rfind(_SIGN, -len(self._last))
        return len(said) - at if at >= 0 and self._last.startswith(said[at:]) else 0

    def _pass_on(self, length: int) -> None:
        if length:
            self._output.take(bytes(self._pending[:length]))
            del self._pending[:length]
