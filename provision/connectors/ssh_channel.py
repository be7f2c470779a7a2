"""One command on one SSH channel: input in, lines out, within its time."""

from __future__ import annotations

import select
import time
from collections import deque
from collections.abc import Callable

import paramiko

from provision.commands.command import Result

_BLOCK = 65536
_KEPT_LINES = 1000  # of a stream that may run for hours


class OutOfTime(Exception):
    """The command did not end in time. *result* holds what it said until then."""

    def __init__(self, result: Result) -> None:
        super().__init__("out of time")
        self.result = result


class Lost(Exception):
    """The connection ended before the command did."""


def execute(
    channel: paramiko.Channel,
    line: str,
    *,
    stdin: bytes,
    timeout_s: float,
    on_line: Callable[[str], None] | None = None,
) -> Result:
    """Run *line* in the host's shell. With *on_line* its output is handed out as it comes.

    Raises OutOfTime, Lost.
    """
    begun = time.monotonic()
    out, err = _Output(on_line), _Output(None)
    channel.settimeout(timeout_s)
    channel.exec_command(line)
    _send(channel, stdin)
    ended = _follow(channel, out, err, deadline=begun + timeout_s)
    code = channel.exit_status if ended else 124
    result = Result(code, out.end(), err.end(), time.monotonic() - begun)
    if not ended:
        raise OutOfTime(result)
    if code == -1 and not _alive(channel):
        raise Lost
    return result


def _send(channel: paramiko.Channel, data: bytes) -> None:
    """Give *data* to the command. One that ends without reading it says why on its own."""
    try:
        if data:
            channel.sendall(data)
        channel.shutdown_write()
    except OSError:
        return


def _follow(channel: paramiko.Channel, out: _Output, err: _Output, *, deadline: float) -> bool:
    """Read until the command has ended; False when the deadline came first."""
    poller = select.poll()  # select() ends at file descriptor 1023
    poller.register(channel.fileno(), select.POLLIN)
    while True:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            return False
        poller.poll(left_s * 1000)
        while channel.recv_ready():
            out.take(channel.recv(_BLOCK))
        while channel.recv_stderr_ready():
            err.take(channel.recv_stderr(_BLOCK))
        over = channel.eof_received or channel.closed
        if over and not channel.recv_ready() and not channel.recv_stderr_ready():
            return channel.status_event.wait(max(0.0, deadline - time.monotonic()))


def _alive(channel: paramiko.Channel) -> bool:
    transport = channel.get_transport()
    return bool(transport and transport.is_active())


class _Output:
    """Bytes of one stream: all of them, or line by line with the last ones kept."""

    def __init__(self, on_line: Callable[[str], None] | None) -> None:
        self._on_line = on_line
        self._bytes = bytearray()
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)

    def take(self, data: bytes) -> None:
        self._bytes += data
        if self._on_line is None:
            return
        *lines, rest = bytes(self._bytes).split(b"\n")
        self._bytes = bytearray(rest)
        for line in lines:
            self._hand_out(line)

    def end(self) -> str:
        if self._on_line is None:
            return self._bytes.decode(errors="replace")
        if self._bytes:
            self._hand_out(bytes(self._bytes))
            self._bytes.clear()
        return "".join(f"{line}\n" for line in self._lines)

    def _hand_out(self, line: bytes) -> None:
        assert self._on_line is not None  # noqa: S101  # for the type checker
        text = line.decode(errors="replace").removesuffix("\r")
        self._lines.append(text)
        self._on_line(text)
