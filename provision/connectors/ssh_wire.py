"""What an SSH connection runs over: a TCP socket, or a process that speaks for the host."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Sequence

_PROXY_ENDS_WITHIN_S = 2.0


def dial(address: str, port: int, *, timeout_s: float, dead_after_s: float) -> socket.socket:
    """A TCP connection that fails *dead_after_s* after the other side fell silent.

    Raises OSError when there is none within *timeout_s*.
    """
    wire = socket.create_connection((address, port), timeout=timeout_s)
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; elsewhere the kernel's own minutes hold
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(dead_after_s * 1000))
    return wire


class Proxy:
    """A process (OpenSSH's ProxyCommand) whose standard input and output are the wire.

    Its end of a socket pair, not pipes: paramiko then sees the end of the stream and keeps its
    deadlines, which its own ProxyCommand class does not. Raises OSError when it can't be started.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the process
        self.wire, theirs = socket.socketpair()
        try:
            # Its own session: Ctrl-C at the keyboard is ours to handle, and close() ends all of it.
            self._process = subprocess.Popen(
                list(words),
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=self._said,
                start_new_session=True,
            )
        except OSError:
            self.wire.close()
            self._said.close()
            raise
        finally:
            theirs.close()

    def said(self) -> str:
        """The last line that it wrote to standard error."""
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else ""

    def close(self) -> None:
        """End the process with all that it started, and reap it."""
        self.wire.close()
        for sign in (signal.SIGTERM, signal.SIGKILL):
            # Not reaped before this line, so the group's number can't be anybody else's.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, sign)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_PROXY_ENDS_WITHIN_S)
                break
        self._said.close()
