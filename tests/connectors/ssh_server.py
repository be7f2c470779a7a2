"""A real SSH server on loopback that runs commands on this machine, as far as the tests need it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, OPEN_SUCCEEDED


def new_key(path: Path, *, passphrase: str | None = None) -> paramiko.PKey:
    sealed: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        sealed = serialization.BestAvailableEncryption(passphrase.encode())
    path.write_bytes(
        Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, sealed
        )
    )
    return paramiko.Ed25519Key.from_private_key_file(str(path), password=passphrase)


class Server:
    """Listens on a port of its own.

    ``commands`` are the lines that clients asked it to run; ``start_up_file`` goes before each.
    """

    def __init__(self, host_key: paramiko.PKey, user_key: str, folder: Path) -> None:
        self.host_key = host_key
        self.user_key = user_key
        self.folder = folder
        self.commands: list[str] = []
        self.start_up_file = ""
        self.connections = 0
        self._transports: list[paramiko.Transport] = []
        self._children: list[subprocess.Popen[bytes]] = []
        self._threads: list[threading.Thread] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._start(self._accept)

    @property
    def public_key(self) -> str:
        """What the host would publish."""
        return f"{self.host_key.get_name()} {self.host_key.get_base64()}"

    def drop_connections(self) -> None:
        """Cut all connections; new ones are welcome."""
        for transport in self._transports:
            transport.close()

    def close(self) -> None:
        """End everything that was started."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self.drop_connections()
        for child in self._children:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        for thread in self._threads:
            thread.join(5)

    def _start(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                wire, _ = self._socket.accept()
                self.connections += 1
                transport = paramiko.Transport(wire)
                transport.add_server_key(self.host_key)
                self._transports.append(transport)
                with contextlib.suppress(paramiko.SSHException, EOFError):
                    transport.start_server(threading.Event(), _Rules(self))

    def serve(self, channel: paramiko.Channel, line: str) -> None:
        """Run *line* as sshd would."""
        self.commands.append(line)
        self._start(self._run, channel, line)

    def _run(self, channel: paramiko.Channel, line: str) -> None:
        child = subprocess.Popen(
            ["sh", "-c", f"{self.start_up_file}\n{line}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd=self.folder,
            env={**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}"},
            start_new_session=True,
        )
        self._children.append(child)
        assert child.stdin
        assert child.stdout
        assert child.stderr
        pumps = [
            threading.Thread(target=_feed, args=(channel, child.stdin), daemon=True),
            threading.Thread(
                target=_pump, args=(child.stderr, channel.sendall_stderr), daemon=True
            ),
        ]
        for pump in pumps:
            pump.start()
        _pump(child.stdout, channel.sendall)
        pumps[1].join()
        if (code := child.wait()) >= 0:
            with contextlib.suppress(OSError):
                channel.send_exit_status(code)
        channel.close()
        pumps[0].join(5)


def _pump(source: IO[bytes], send: Callable[[bytes], None]) -> None:
    with contextlib.suppress(OSError), source:
        while data := os.read(source.fileno(), 65536):
            send(data)


def _feed(channel: paramiko.Channel, stdin: IO[bytes]) -> None:
    with contextlib.suppress(OSError), stdin:
        while data := channel.recv(65536):
            stdin.write(data)


class _Rules(paramiko.ServerInterface):
    """Who may come in: user ``fleet`` with the one key."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        welcome = username in ("fleet", "root") and key.get_base64() == self._server.user_key
        return AUTH_SUCCESSFUL if welcome else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self._server.serve(channel, command.decode())
        return True
