"""One shell kept open on one SSH channel: many commands, each apart from the others."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable

import paramiko

from provision.commands.command import Result
from provision.connectors.ssh_output import Framed, Output

# The person's shell runs its start-up file once, for this line; nothing below reads it again.
SHELL = "exec bash --norc --noprofile -s"
_BLOCK = 65536

# Bash takes a braced group in whole before it runs any of it, so a frame that is cut off on its way
# does nothing, and what follows it on the wire is the command's input. Output and errors are marked
# on their own streams, at both ends.
_FRAME = """\
{{
_llm_fleet_marks() {{ printf "$@"; printf "$@" >&2; }}
_llm_fleet_marks '\\036%s<' {token}
{work}
_llm_fleet_marks '\\036%s>%d\\036' {token} "$status"
}}
"""
_WITHOUT_INPUT = """\
( {line}
) </dev/null
status=$?"""
# The drain takes what the command left unread: bash would run it. Should the drain be killed, head
# fails, and the shell must not read on.
_WITH_INPUT = """\
head -c {size} | {{ ( {line}
); status=$?; while read -r -d "" _; do :; done; exit "$status"; }}
ends=("${{PIPESTATUS[@]}}") status=${{ends[1]}}
[ "${{ends[0]}}" = 0 ] || exit "$status\""""


class OutOfTime(Exception):
    """The command did not end in time. *result* holds what it said until then."""

    def __init__(self, result: Result) -> None:
        super().__init__("out of time")
        self.result = result


class Lost(Exception):
    """The connection ended before the command did."""


class ShellChannel:
    """A shell on a host; for one command at a time. Raises what paramiko does when it opens."""

    def __init__(self, channel: paramiko.Channel, timeout_s: float) -> None:
        self._channel = channel
        self._bell = _Bell()
        channel.in_buffer.set_event(self._bell)
        channel.in_stderr_buffer.set_event(self._bell)
        channel.settimeout(timeout_s)
        channel.exec_command(SHELL)
        self.usable = True

    def run(
        self,
        line: str,
        *,
        stdin: bytes = b"",
        timeout_s: float,
        on_line: Callable[[str], None] | None = None,
    ) -> Result:
        """Run *line*. With *on_line* its output is handed out as it comes.

        Raises OutOfTime, Lost. After these, and after a command that ended its shell, the channel
        is not ``usable`` any more.
        """
        begun = time.monotonic()
        token = secrets.token_hex(16)  # nobody can print what nobody can guess
        out, err = Framed(token, Output(on_line)), Framed(token, Output())
        self.usable = False
        sent = self._send(_frame(token, line, len(stdin)) + stdin, timeout_s)
        in_time = self._follow(out, err, deadline=begun + timeout_s)
        status = out.status if out.ended and err.ended else None
        code = 124 if not in_time else self._channel.exit_status if status is None else status
        result = Result(code, out.text(), err.text(), time.monotonic() - begun)
        if not in_time:
            raise OutOfTime(result)
        if status is None and code == -1 and not self._alive:
            raise Lost
        self.usable = sent and status is not None
        return result

    def answers(self, timeout_s: float) -> bool:
        """Whether it still takes commands.

        Raises TimeoutError when it says nothing at all, as over a connection that is dead.
        """
        try:
            return bool(self.run(":", timeout_s=timeout_s)) and self.usable
        except Lost:
            return False
        except OutOfTime as error:
            raise TimeoutError(f"no answer within {timeout_s:.0f} s") from error

    def close(self) -> None:
        """End the shell; what it runs may go on."""
        self._channel.close()

    @property
    def _alive(self) -> bool:
        transport = self._channel.get_transport()
        return bool(transport and transport.is_active())

    def _send(self, data: bytes, timeout_s: float) -> bool:
        """False when it could not be sent whole: the shell has ended, or the time was up."""
        self._channel.settimeout(timeout_s)
        try:
            self._channel.sendall(data)
        except OSError:
            return False
        return True

    def _follow(self, out: Framed, err: Framed, *, deadline: float) -> bool:
        """Read until the command or its shell has ended; False when the deadline came first."""
        channel = self._channel
        while not (out.ended and err.ended):
            if not self._bell.wait(deadline - time.monotonic()):
                return False
            self._bell.silence()
            while channel.recv_ready():
                out.take(channel.recv(_BLOCK))
            while channel.recv_stderr_ready():
                err.take(channel.recv_stderr(_BLOCK))
            over = channel.eof_received or channel.closed
            if over and not channel.recv_ready() and not channel.recv_stderr_ready():
                return channel.status_event.wait(max(0.0, deadline - time.monotonic()))
        return True


class _Bell(threading.Event):
    """Rings when something came, and rings on until its owner silences it.

    Two streams share it, and paramiko clears it when one of them is empty, also while the other
    rings: so do the file descriptors of its channels, and then nobody hears the last word.
    """

    def clear(self) -> None:
        """Not for paramiko to do."""

    def silence(self) -> None:
        """To be called before one looks at what came."""
        super().clear()


def _frame(token: str, line: str, size: int) -> bytes:
    work = _WITH_INPUT if size else _WITHOUT_INPUT
    return _FRAME.format(token=token, work=work.format(line=line, size=size)).encode()
