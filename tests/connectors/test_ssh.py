"""Strict SSH: what runs, what is refused, and what people read when there is no connection."""

from __future__ import annotations

import os
import re
import socket
import stat
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest

from provision.commands.command import Command, script
from provision.commands.upload import pack
from provision.config.environment import AccessSettings, Transport
from provision.connectors.ssh import FabricShell
from provision.errors import CommandFailed, HostKeyMismatch, HostUnreachable
from provision.facts.inventory import Host
from provision.secret import Secret
from tests.connectors.ssh_server import Server, new_key


class TestCommands:
    def test_output_and_exit_code_come_back(self, shell: FabricShell, host: Host) -> None:
        """Both streams and the exit code arrive apart."""
        result = shell.run(host, script("echo out; echo err >&2; exit 3"), check=False)

        assert (result.stdout, result.stderr, result.exit_code) == ("out\n", "err\n", 3)

    def test_a_checked_failure_shows_the_masked_command(
        self, shell: FabricShell, host: Host
    ) -> None:
        """A secret among the words never reaches the message."""
        command = Command(("sh", "-c", "echo broken >&2; exit 7", Secret("hunter2")))

        with pytest.raises(CommandFailed) as caught:
            shell.run(host, command)

        assert caught.value.command_exit_code == 7
        assert caught.value.stderr_tail == "broken"
        assert "hunter2" not in str(caught.value)
        assert "***" in str(caught.value)

    def test_standard_input_is_handed_over_whole(self, shell: FabricShell, host: Host) -> None:
        """A megabyte goes in and comes back unchanged, without deadlock."""
        text = "0123456789abcde\n" * 65536

        assert shell.run(host, Command(("cat",), stdin=Secret(text))).stdout == text

    def test_a_command_that_reads_nothing_sees_the_end_of_its_input(
        self, shell: FabricShell, host: Host
    ) -> None:
        """`cat` without input ends at once."""
        assert shell.run(host, Command(("cat",), timeout_s=5)).stdout == ""

    def test_both_streams_may_be_large(self, shell: FabricShell, host: Host) -> None:
        """Three megabytes of errors do not block the output behind them."""
        result = shell.run(host, script("head -c 3000000 /dev/zero >&2; echo done"))

        assert result.stdout == "done\n"
        assert len(result.stderr) == 3_000_000

    def test_one_that_does_not_end_is_given_up(self, shell: FabricShell, host: Host) -> None:
        """The error keeps what was said until then and warns that it may still run."""
        with pytest.raises(CommandFailed, match=r"no end within 0 s") as caught:
            shell.run(host, script("echo begun; sleep 60", timeout_s=0.3), check=False)

        assert caught.value.stderr_tail.startswith("begun")
        assert "may still run" in caught.value.hint

    def test_users_other_than_root_go_through_sudo(
        self, server: Server, access: AccessSettings, host: Host
    ) -> None:
        """sudo never asks; a command that needs no root goes without."""
        sudo = server.folder / "sudo"
        sudo.write_text('#!/bin/sh\n[ "$1 $2" = "-n --" ] && shift 2 && echo as root: && "$@"\n')
        sudo.chmod(0o755)
        shell = FabricShell(replace(access, user="fleet"), "eu-central-1")
        as_root = shell.run(host, Command(("echo", "hello")))
        as_fleet = shell.run(host, Command(("echo", "hello"), sudo=False))
        shell.close()

        assert as_root.stdout == "as root:\nhello\n"
        assert as_fleet.stdout == "hello\n"

    def test_a_refusal_of_sudo_is_told_apart(self, shell: FabricShell, host: Host) -> None:
        """Also an unchecked command raises: it never ran."""
        refusal = script("echo 'sudo: a password is required' >&2; exit 1")

        with pytest.raises(CommandFailed) as caught:
            shell.run(host, refusal, check=False)

        assert "without a password" in caught.value.hint

    def test_lines_come_while_the_command_runs(self, shell: FabricShell, host: Host) -> None:
        """The first line is there before the last one is written; half lines are kept together."""
        first = threading.Event()
        lines: list[str] = []

        def on_line(line: str) -> None:
            lines.append(line)
            if line == "one":
                (Path(fifo)).write_text("go\n")
                first.set()

        fifo = str(Path(os.environ.get("TMPDIR", "/tmp")) / f"llm-fleet-test-{os.getpid()}")
        os.mkfifo(fifo)
        try:
            command = script('echo one; read -r _ < "$1"; printf tw; echo o; printf end', fifo)
            result = shell.stream(host, command, on_line)
        finally:
            Path(fifo).unlink()

        assert first.is_set()
        assert lines == ["one", "two", "end"]
        assert result.stdout == "one\ntwo\nend\n"


FILES = {"start.sh": b"#!/bin/sh\n", "conf/engine.yaml": b"a: 1\n", "blob": bytes(range(256))}


class TestUpload:
    def test_the_folder_holds_exactly_the_files(
        self, shell: FabricShell, host: Host, tmp_path: Path
    ) -> None:
        """What was there before is gone; scripts are executable; nothing else is left beside it."""
        folder = tmp_path / "releases" / "r-1"
        shell.upload(host, {"old": b"x"}, str(folder))
        shell.upload(host, FILES, str(folder))

        held = {
            str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()
        }
        assert held == FILES
        assert stat.S_IMODE((folder / "start.sh").stat().st_mode) == 0o755
        assert stat.S_IMODE((folder / "blob").stat().st_mode) == 0o644
        assert [p.name for p in folder.parent.iterdir()] == ["r-1"]

    def test_it_takes_one_transfer(
        self, server: Server, shell: FabricShell, host: Host, tmp_path: Path
    ) -> None:
        """However many files: the host unpacks once."""
        tar = server.folder / "tar"
        tar.write_text('#!/bin/sh\necho once >>"$0.calls"\nexec /bin/tar "$@"\n')
        tar.chmod(0o755)
        shell.upload(host, {f"f{n}": b"x" for n in range(200)}, str(tmp_path / "many"))

        assert (server.folder / "tar.calls").read_text() == "once\n"

    def test_a_transfer_that_fails_leaves_the_old_folder(
        self, shell: FabricShell, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A truncated archive changes nothing, and nothing half is left."""
        folder = tmp_path / "releases" / "r-1"
        shell.upload(host, {"old": b"x"}, str(folder))
        monkeypatch.setattr("provision.connectors.ssh.pack", lambda files: pack(files)[:-9])

        with pytest.raises(CommandFailed, match="upload of 3 file"):
            shell.upload(host, FILES, str(folder))

        assert [p.name for p in folder.parent.iterdir()] == ["r-1"]
        assert [p.name for p in folder.iterdir()] == ["old"]

    def test_a_folder_that_cannot_be_made_says_so(
        self, shell: FabricShell, host: Host, tmp_path: Path
    ) -> None:
        """The error carries what the host said."""
        (tmp_path / "file").write_text("in the way")

        with pytest.raises(CommandFailed, match=r"Not a directory|File exists"):
            shell.upload(host, FILES, str(tmp_path / "file" / "r-1"))


class TestConnections:
    def test_threads_share_one(self, server: Server, shell: FabricShell, host: Host) -> None:
        """Eight commands at once on a host open one connection."""
        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(lambda n: shell.run(host, Command(("echo", str(n)))), range(8)))

        assert [result.stdout for result in results] == [f"{n}\n" for n in range(8)]
        assert server.connections == 1

    def test_a_lost_one_is_reported_and_the_next_command_opens_another(
        self, server: Server, shell: FabricShell, host: Host
    ) -> None:
        """A command whose connection is cut may still run, and the error says so."""
        cut = threading.Timer(0.2, server.drop_connections)
        cut.start()
        with pytest.raises(HostUnreachable, match="lost during") as caught:
            shell.run(host, script("sleep 60"))
        cut.join()

        assert "may still run" in caught.value.hint
        assert shell.run(host, Command(("echo", "back"))).stdout == "back\n"

    def test_one_that_ended_while_idle_is_replaced_silently(
        self, server: Server, shell: FabricShell, host: Host
    ) -> None:
        """Between two commands the other side may hang up."""
        shell.run(host, Command(("true",)))
        server.drop_connections()

        assert shell.run(host, Command(("echo", "back"))).stdout == "back\n"
        assert server.connections == 2


class TestHostKeys:
    def test_an_unpublished_key_is_refused(self, shell: FabricShell, host: Host) -> None:
        """Nothing is tried before the host has published its key."""
        with pytest.raises(HostKeyMismatch, match="has not published its host key"):
            shell.run(replace(host, host_keys=()), Command(("true",)))

    def test_another_key_is_refused(
        self, server: Server, shell: FabricShell, host: Host, tmp_path: Path
    ) -> None:
        """Both fingerprints are shown, and no command reaches the wrong machine."""
        other = new_key(tmp_path / "other")
        stranger = replace(host, host_keys=(f"{other.get_name()} {other.get_base64()}",))

        with pytest.raises(HostKeyMismatch) as caught:
            shell.run(stranger, Command(("true",)))

        assert other.fingerprint in str(caught.value)
        assert server.host_key.fingerprint in str(caught.value)
        assert server.commands == []

    def test_a_key_of_another_kind_is_refused(self, shell: FabricShell, host: Host) -> None:
        """A published RSA key does not let an Ed25519 key in."""
        rsa = paramiko.RSAKey.generate(2048)
        published = replace(host, host_keys=(f"ssh-rsa {rsa.get_base64()}",))

        with pytest.raises(HostKeyMismatch):
            shell.run(published, Command(("true",)))

    def test_one_of_several_published_keys_is_enough(
        self, server: Server, shell: FabricShell, host: Host
    ) -> None:
        """Hosts publish a key of every kind that they have."""
        rsa = paramiko.RSAKey.generate(2048)
        several = replace(host, host_keys=(server.public_key, f"ssh-rsa {rsa.get_base64()}"))

        assert shell.run(several, Command(("true",)))

    def test_nonsense_is_not_a_key(self, shell: FabricShell, host: Host) -> None:
        """A parameter that holds something else is reported as that."""
        with pytest.raises(HostKeyMismatch, match="no SSH key"):
            shell.run(replace(host, host_keys=("hello world",)), Command(("true",)))

    def test_known_hosts_of_the_person_are_not_read(
        self,
        server: Server,
        shell: FabricShell,
        host: Host,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
    ) -> None:
        """A key that ~/.ssh/known_hosts trusts counts for nothing, and the file is not written."""
        monkeypatch.setenv("HOME", str(tmp_path))
        (tmp_path / ".ssh").mkdir()
        known = tmp_path / ".ssh" / "known_hosts"
        known.write_text(f"[i-0abc]:{server.port} {server.public_key}\n")

        with pytest.raises(HostKeyMismatch):
            shell.run(replace(host, host_keys=()), Command(("true",)))
        shell.run(host, Command(("true",)))

        assert known.read_text() == f"[i-0abc]:{server.port} {server.public_key}\n"


class TestNoConnection:
    def test_a_missing_identity_file_is_named(self, access: AccessSettings, host: Host) -> None:
        """The path is shown, and the setting to change."""
        shell = FabricShell(replace(access, identity_file="/nowhere/key"), "eu-central-1")

        with pytest.raises(HostUnreachable, match="/nowhere/key is not there") as caught:
            shell.run(host, Command(("true",)))

        assert "access.identity_file" in caught.value.hint

    def test_a_foreign_identity_is_refused(
        self, access: AccessSettings, host: Host, tmp_path: Path
    ) -> None:
        """The error names user and file."""
        new_key(tmp_path / "foreign")
        shell = FabricShell(
            replace(access, identity_file=str(tmp_path / "foreign")), "eu-central-1"
        )

        with pytest.raises(HostUnreachable, match=r"refused user root with .*/foreign"):
            shell.run(host, Command(("true",)))

    def test_an_identity_with_a_passphrase_wants_an_agent(
        self, access: AccessSettings, host: Host, tmp_path: Path
    ) -> None:
        """It never prompts."""
        new_key(tmp_path / "sealed", passphrase="open sesame")
        shell = FabricShell(replace(access, identity_file=str(tmp_path / "sealed")), "eu-central-1")

        with pytest.raises(HostUnreachable, match="has a passphrase") as caught:
            shell.run(host, Command(("true",)))

        assert "ssh-add" in caught.value.hint

    def test_a_closed_port(self, access: AccessSettings, host: Host) -> None:
        """Refused at once."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        shell = FabricShell(replace(access, port=port), "eu-central-1")

        with pytest.raises(HostUnreachable, match="Connection refused"):
            shell.run(host, Command(("true",)))

    def test_a_port_that_says_nothing(self, access: AccessSettings, host: Host) -> None:
        """Given up after the connect timeout."""
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            shell = FabricShell(replace(access, port=port, connect_timeout_s=1), "eu-central-1")

            with pytest.raises(HostUnreachable, match="no answer within 1 s"):
                shell.run(host, Command(("true",)))


RELAY = """\
#!{python}
import os, select, socket, sys
open({seen!r}, "a").write(" ".join(sys.argv[1:]) + "\\n")
wire = socket.create_connection(("127.0.0.1", {port}))
while True:
    for ready in select.select([0, wire], [], [])[0]:
        data = os.read(0, 65536) if ready == 0 else wire.recv(65536)
        if not data:
            sys.exit()
        wire.sendall(data) if ready == 0 else os.write(1, data)
"""


class TestThroughSsm:
    @pytest.fixture
    def aws(self, server: Server, tmp_path: Path) -> Path:
        command = tmp_path / "aws"
        seen = str(tmp_path / "seen")
        command.write_text(RELAY.format(python=sys.executable, seen=seen, port=server.port))
        command.chmod(0o755)
        return command

    def through(self, access: AccessSettings, command: str) -> AccessSettings:
        return replace(access, transport=Transport.SSM, port=22, aws_command=command)

    def test_the_session_carries_the_stream(
        self, access: AccessSettings, host: Host, aws: Path, tmp_path: Path
    ) -> None:
        """One session per host, with the documented words; all its processes end with the shell."""
        shell = FabricShell(self.through(access, str(aws)), "eu-central-1", profile="fleet")
        assert shell.run(host, Command(("echo", "hello"))).stdout == "hello\n"
        assert shell.run(host, Command(("cat",), stdin="x" * 200_000)).stdout == "x" * 200_000
        shell.close()

        assert (tmp_path / "seen").read_text() == (
            "ssm start-session --target i-0abc --document-name AWS-StartSSHSession"
            " --parameters portNumber=22 --region eu-central-1 --profile fleet\n"
        )
        assert children() == []

    def test_the_key_is_checked_there_too(
        self, access: AccessSettings, host: Host, aws: Path, tmp_path: Path
    ) -> None:
        """The tunnel is not what makes the host trustworthy."""
        other = new_key(tmp_path / "other")
        shell = FabricShell(self.through(access, str(aws)), "eu-central-1")

        with pytest.raises(HostKeyMismatch, match="answered at SSM"):
            shell.run(replace(host, host_keys=(f"ssh-ed25519 {other.get_base64()}",)), TRUE)

        assert children() == []

    @pytest.mark.parametrize(
        ("text", "message", "hint"),
        [
            (
                "echo 'An error occurred (TargetNotConnected): i-0abc is not connected.' >&2",
                "i-0abc is not connected",
                "SSM agent on the host is not connected",
            ),
            (
                "echo 'SessionManagerPlugin is not found.' >&2; exit 255",
                "SessionManagerPlugin is not found",
                "install the Session Manager plugin",
            ),
            (
                "echo 'An error occurred (AccessDeniedException)' >&2; exit 254",
                "AccessDeniedException",
                "may not ssm:StartSession",
            ),
            ("exit 0", "no SSH connection through SSM", "by hand"),
            ("sleep 60 & wait", "no answer within 1 s", "by hand"),
        ],
    )
    def test_a_session_that_fails_says_why(
        self, access: AccessSettings, host: Host, tmp_path: Path, text: str, message: str, hint: str
    ) -> None:
        """The AWS command's own words, the next step, and no process left: also its children."""
        command = tmp_path / "broken-aws"
        command.write_text(f"#!/bin/sh\n{text}\n")
        command.chmod(0o755)
        settings = replace(self.through(access, str(command)), connect_timeout_s=1)
        shell = FabricShell(settings, "eu-central-1")

        with pytest.raises(HostUnreachable, match=re.escape(message)) as caught:
            shell.run(host, TRUE)

        assert hint in caught.value.hint
        assert children() == []

    def test_a_missing_aws_command(self, access: AccessSettings, host: Host) -> None:
        """Says what to install."""
        shell = FabricShell(self.through(access, "/nowhere/aws"), "eu-central-1")

        with pytest.raises(HostUnreachable, match="/nowhere/aws") as caught:
            shell.run(host, TRUE)

        assert "install the AWS CLI" in caught.value.hint


TRUE = Command(("true",))


def children() -> list[str]:
    """Proxy processes of this process and their children, zombies too."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "stat").read_text()
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            parent = int(text.rpartition(")")[2].split()[1])
            if parent == os.getpid() and ("aws" in line or " (aws" in text or "aws)" in text):
                found.append(f"{entry.name} {line}")
    return found
