"""One shell kept open: commands stay apart from each other, whatever they do to it."""

from __future__ import annotations

import itertools
import os
import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paramiko.buffered_pipe import BufferedPipe

from provision.commands.command import Command, script
from provision.config.environment import AccessSettings
from provision.connectors import ssh_channel
from provision.connectors.ssh import FabricShell
from provision.connectors.ssh_channel import SHELL
from provision.connectors.ssh_output import Framed, Output
from provision.errors import CommandFailed, HostUnreachable
from provision.facts.inventory import Host
from provision.secret import Secret
from tests.connectors.ssh_server import Server

ECHO = Command(("echo", "next"))
SHELL_ID = script('echo "$PPID"')


class TestOneShell:
    def test_it_serves_all_commands(self, server: Server, shell: FabricShell, host: Host) -> None:
        """The person's shell, and so its start-up file, is asked for once."""
        codes = [shell.run(host, script(f"exit {n}"), check=False).exit_code for n in range(5)]

        assert codes == [0, 1, 2, 3, 4]
        assert server.commands == [SHELL]

    def test_commands_at_the_same_time_have_one_each(
        self, server: Server, shell: FabricShell, host: Host, tmp_path: Path
    ) -> None:
        """A command that waits for another one does not keep it from running."""
        os.mkfifo(fifo := tmp_path / "fifo")
        waiting = threading.Thread(target=shell.run, args=(host, script(f"read -r _ <{fifo}")))
        waiting.start()
        shell.run(host, script(f"echo go >{fifo}", timeout_s=10))
        waiting.join()

        assert server.commands == [SHELL, SHELL]

    def test_nothing_of_a_command_shows_in_its_arguments(
        self, shell: FabricShell, host: Host
    ) -> None:
        """Words come on its standard input; other users of the host see a bash."""
        command = script('tr "\\0" " " <"/proc/$PPID/cmdline"', Secret("hunter2"))

        assert shell.run(host, command).stdout == "bash --norc --noprofile -s "

    def test_what_a_start_up_file_says_is_no_output(
        self, server: Server, shell: FabricShell, host: Host
    ) -> None:
        """Neither on one stream nor on the other."""
        server.start_up_file = "echo welcome; echo mind the gap >&2"
        result = shell.run(host, script("echo out; echo err >&2"))

        assert (result.stdout, result.stderr) == ("out\n", "err\n")

    def test_a_host_without_bash_says_so(
        self, server: Server, shell: FabricShell, host: Host
    ) -> None:
        """What the person's shell says about it is the evidence."""
        server.start_up_file = "PATH=/nowhere"

        with pytest.raises(CommandFailed, match="bash: not found") as caught:
            shell.run(host, ECHO)

        assert caught.value.command_exit_code == 127


class TestInput:
    @pytest.mark.parametrize("size", [0, 1, 100_000, 3_000_000])
    def test_what_a_command_leaves_unread_is_never_run(
        self, server: Server, shell: FabricShell, host: Host, tmp_path: Path, size: int
    ) -> None:
        """However much there is, the next command gets the same shell with nothing before it."""
        trap = tmp_path / "trap"
        line = f"touch {trap}\n"
        some = shell.run(host, Command(("head", "-c", "5"), stdin=line * (1 + size // len(line))))

        assert some.stdout == "touch"
        assert shell.run(host, ECHO).stdout == "next\n"
        assert not trap.exists()
        assert server.commands == [SHELL]

    def test_nor_is_it_when_the_command_kills_who_would_drain_it(
        self, shell: FabricShell, host: Host, tmp_path: Path
    ) -> None:
        """The shell ends rather than to read on."""
        trap = tmp_path / "trap"
        murder = Command(("sh", "-c", "kill -9 $PPID"), stdin=f"touch {trap}\n" * 10_000)

        assert not shell.run(host, murder, check=False)
        assert shell.run(host, ECHO).stdout == "next\n"
        assert not trap.exists()

    def test_any_byte_may_come_in_and_go_out(
        self, shell: FabricShell, host: Host, tmp_path: Path
    ) -> None:
        """Also zeros and the signs of which marks are made."""
        folder = tmp_path / "files"
        noise = bytes(range(256)) * 4096 + b"\x1e<>\x1e"
        shell.upload(host, {"noise": noise}, str(folder))
        result = shell.run(host, Command(("cat", str(folder / "noise"))))

        assert (folder / "noise").read_bytes() == noise
        assert result.stdout == noise.decode(errors="replace")


class TestOutput:
    def test_the_last_line_needs_no_end(self, shell: FabricShell, host: Host) -> None:
        """Nothing is added, nothing is lost, on both streams."""
        result = shell.run(host, script("printf out; printf err >&2"))

        assert (result.stdout, result.stderr) == ("out", "err")

    def test_marks_of_others_are_output(
        self, shell: FabricShell, host: Host, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A mark counts with this command's token only, and whole."""
        tokens = iter(["first", "asked", "second"])
        monkeypatch.setattr(ssh_channel.secrets, "token_hex", lambda _: next(tokens))
        shell.run(host, ECHO)
        forged = "\x1efirst>0\x1e \x1efirst< \x1esecond \x1eseco"

        assert shell.run(host, Command(("printf", forged))).stdout == forged

    @given(
        before=st.binary(max_size=50),
        said=st.binary(max_size=200) | st.just(b"\x1etok\x1etoken<\x1etoken\x1e"),
        status=st.integers(0, 255),
        cuts=st.lists(st.integers(0, 300)),
    )
    def test_where_the_wire_cuts_makes_no_difference(
        self, before: bytes, said: bytes, status: int, cuts: list[int]
    ) -> None:
        """The same bytes in blocks of any size give the same text and status."""
        wire = before + b"\x1etoken<" + said + b"\x1etoken>%d\x1e" % status + b"afterwards"
        framed = Framed("token", Output())
        edges = sorted({0, len(wire), *(cut for cut in cuts if cut < len(wire))})
        for start, end in itertools.pairwise(edges):
            framed.take(wire[start:end])

        assert framed.ended
        assert framed.status == status
        assert framed.text() == said.decode(errors="replace")

    def test_what_was_said_before_the_end_of_the_wire_is_kept(self) -> None:
        """A command that takes its shell with it leaves its last words, a half mark among them."""
        framed = Framed("token", Output())
        framed.take(b"\x1etoken<last words\x1etok")

        assert not framed.ended
        assert framed.text() == "last words\x1etok"

    def test_no_word_is_missed_when_two_streams_ring_one_bell(self) -> None:
        """Reading one of them empty does not silence the other."""
        bell = ssh_channel._Bell()
        out, err = BufferedPipe(), BufferedPipe()
        for pipe in (out, err):
            pipe.set_event(bell)
        out.feed(b"o")
        err.feed(b"e")
        out.read(10)

        assert bell.wait(0)

    def test_who_is_left_behind_does_not_keep_a_command_waiting(
        self, shell: FabricShell, host: Host
    ) -> None:
        """A command ends when it ends, also when something that it started holds its output."""
        result = shell.run(host, script("sleep 60 & echo done", timeout_s=10))

        assert result.stdout == "done\n"


class TestItsEnd:
    def test_one_that_dies_by_its_command(
        self, server: Server, shell: FabricShell, host: Host
    ) -> None:
        """The command failed, what it said is kept, and the next one gets a new shell."""
        result = shell.run(host, script("echo bye; kill -9 $PPID"), check=False)

        assert not result
        assert result.stdout == "bye\n"
        assert shell.run(host, ECHO).stdout == "next\n"
        assert server.connections == 1

    def test_one_whose_command_took_too_long(
        self, server: Server, shell: FabricShell, host: Host
    ) -> None:
        """The next command does not stand in line behind it."""
        with pytest.raises(CommandFailed, match="no end within"):
            shell.run(host, script("sleep 60", timeout_s=0.3))

        assert shell.run(host, replace(ECHO, timeout_s=5)).stdout == "next\n"
        assert server.commands == [SHELL, SHELL]

    def test_one_that_dies_while_idle(self, server: Server, shell: FabricShell, host: Host) -> None:
        """Nothing had begun, so another one takes the command, on the same connection."""
        os.kill(int(shell.run(host, SHELL_ID).stdout), signal.SIGKILL)

        assert shell.run(host, ECHO).stdout == "next\n"
        assert server.connections == 1

    def test_one_that_falls_silent_while_idle(
        self, server: Server, access: AccessSettings, host: Host
    ) -> None:
        """Like a connection that is dead without a word: another one is opened."""
        shell = FabricShell(replace(access, connect_timeout_s=1), "eu-central-1")
        os.kill(int(shell.run(host, SHELL_ID).stdout), signal.SIGSTOP)
        result = shell.run(host, ECHO)
        shell.close()

        assert result.stdout == "next\n"
        assert server.connections == 2

    def test_closing_ends_what_runs(self, shell: FabricShell, host: Host) -> None:
        """As the executor does at the second Ctrl-C: the command counts as lost, at once."""
        threading.Timer(0.2, shell.close).start()

        with pytest.raises(HostUnreachable, match="lost during"):
            shell.run(host, script("sleep 60"))
