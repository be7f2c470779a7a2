"""One strict SSH connection to one host, and in words why there is none."""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import fabric
import paramiko

from provision.config.environment import AccessSettings, Transport
from provision.connectors.ssh_channel import ShellChannel
from provision.connectors.ssh_wire import Proxy, dial
from provision.errors import HostKeyMismatch, HostUnreachable
from provision.facts.inventory import Host

_KEEPALIVE_S = 15  # below the idle limits of NAT gateways and SSM sessions


@dataclass(frozen=True, slots=True)
class Route:
    """How hosts are reached: the environment's settings and what the AWS command needs."""

    access: AccessSettings
    region: str
    profile: str | None = None
    dead_after_s: float = 60.0

    def proxy_words(self, host: Host) -> list[str]:
        """The AWS command that carries an SSH stream to *host*, without an open port 22."""
        command = map(os.path.expanduser, shlex.split(self.access.aws_command))
        profile = ["--profile", self.profile] if self.profile else []
        return [
            *command,
            *("ssm", "start-session", "--target", host.name),
            *("--document-name", "AWS-StartSSHSession"),
            *("--parameters", f"portNumber={self.access.port}", "--region", self.region),
            *profile,
        ]

    @property
    def identity(self) -> Path:
        """The operator's private key."""
        return Path(self.access.identity_file).expanduser()


class Link:
    """An open connection. Make one with :func:`connect`."""

    def __init__(self, client: paramiko.SSHClient, proxy: Proxy | None) -> None:
        self._client = client
        self._proxy = proxy
        self._idle: deque[ShellChannel] = deque()

    @property
    def alive(self) -> bool:
        """Whether a command may be tried on it."""
        transport = self._client.get_transport()
        return bool(transport and transport.is_active())

    def take_shell(self, timeout_s: float) -> ShellChannel:
        """A shell for one command: one that is idle and answers, or a new one.

        Raises OSError, EOFError, SSHException when the connection has none to give.
        """
        while shell := self._pop_idle():
            if shell.answers(timeout_s):
                return shell
            shell.close()
        transport = self._client.get_transport()
        assert transport is not None  # noqa: S101  # connect() made it
        return ShellChannel(transport.open_session(timeout=timeout_s), timeout_s)

    def give_back(self, shell: ShellChannel) -> None:
        """Keep *shell* for the next command if it can take one."""
        if shell.usable:
            self._idle.append(shell)
        else:
            shell.close()

    def _pop_idle(self) -> ShellChannel | None:
        with contextlib.suppress(IndexError):  # another thread may take the last one
            return self._idle.pop()
        return None

    def close(self) -> None:
        """End the connection and the proxy's process."""
        self._client.close()
        if self._proxy:
            self._proxy.close()


def connect(host: Host, route: Route) -> Link:
    """Connect to *host* if it shows one of the keys that it published.

    Raises HostKeyMismatch, or HostUnreachable with the reason. The person's known_hosts and SSH
    configuration are never read: what counts is what the host published in SSM.
    """
    _require_identity(host, route)
    client = _strict_client(host, route)
    proxy: Proxy | None = None
    try:
        if route.access.transport is Transport.SSM:
            proxy = Proxy(route.proxy_words(host))
            wire = proxy.wire
        else:
            wire = dial(
                host.address,
                route.access.port,
                timeout_s=route.access.connect_timeout_s,
                dead_after_s=route.dead_after_s,
            )
        _log_in(client, wire, host, route)
    except Exception as error:
        client.close()
        said = ""
        if proxy:
            said = proxy.said()
            proxy.close()
        _explain(error, host, route, said)
    return Link(client, proxy)


def _require_identity(host: Host, route: Route) -> None:
    if not route.identity.is_file():
        raise HostUnreachable(
            host.name,
            f"no SSH connection: identity file {route.identity} is not there",
            hint="let access.identity_file name the private key whose public half the hosts hold",
        )


def _strict_client(host: Host, route: Route) -> paramiko.SSHClient:
    """A client of Fabric's that knows the published keys of *host* and rejects all others."""
    logging.getLogger("paramiko").addHandler(logging.NullHandler())  # we say it ourselves
    connection = fabric.Connection(
        host.name,
        user=route.access.user,
        port=route.access.port,
        config=fabric.Config(overrides={"load_ssh_configs": False}, lazy=True),
    )
    client: paramiko.SSHClient = connection.client
    client.set_missing_host_key_policy(paramiko.RejectPolicy())  # Fabric's own would add it
    known = client.get_host_keys()
    for line in host.host_keys:
        name = host.name if route.access.port == 22 else f"[{host.name}]:{route.access.port}"
        entry = _entry(" ".join((name, *line.split())))
        if entry is None or entry.key is None:
            raise HostKeyMismatch(
                host.name,
                f"published something that is no SSH key: {line[:60]!r}",
                hint=_replace_host(host),
            )
        known.add(name, entry.key.get_name(), entry.key)
    if not host.host_keys:
        raise HostKeyMismatch(
            host.name,
            "has not published its host key, so nothing says who answers at its address",
            hint="a host does so at boot, within a minute or two: wait; if it stays so, read its"
            " boot log (`aws ec2 get-console-output`) and check that its role may write to SSM",
        )
    return client


def _entry(line: str) -> paramiko.hostkeys.HostKeyEntry | None:
    with contextlib.suppress(paramiko.SSHException, paramiko.hostkeys.InvalidHostKey, ValueError):
        return paramiko.hostkeys.HostKeyEntry.from_line(line)
    return None


def _log_in(client: paramiko.SSHClient, wire: object, host: Host, route: Route) -> None:
    timeout_s = route.access.connect_timeout_s
    client.connect(
        host.name,
        port=route.access.port,
        username=route.access.user,
        key_filename=str(route.identity),
        allow_agent=True,  # for an identity with a passphrase; the file comes first
        look_for_keys=False,
        sock=wire,  # type: ignore[arg-type]  # the stubs forget sockets
        timeout=timeout_s,
        banner_timeout=timeout_s,
        auth_timeout=timeout_s,
    )
    transport = client.get_transport()
    assert transport is not None  # noqa: S101  # connect() made it
    transport.set_keepalive(_KEEPALIVE_S)


def _explain(error: Exception, host: Host, route: Route, said: str) -> NoReturn:
    """Raise *error* in words; *said* is what the proxy's process complained of."""
    where = f"{host.address}:{route.access.port}" if not _by_ssm(route) else "SSM"
    if isinstance(error, paramiko.BadHostKeyException):
        raise HostKeyMismatch(
            host.name,
            f"answered at {where} with the key {_print(error.key)}, but published"
            f" {_print(error.expected_key)}: it is another machine, or its keys were made anew",
            hint=_replace_host(host),
        ) from error
    if isinstance(error, paramiko.PasswordRequiredException):
        raise HostUnreachable(
            host.name,
            f"identity file {route.identity} has a passphrase",
            hint=f"`ssh-add {route.identity}` once, the agent then answers for it",
        ) from error
    if isinstance(error, paramiko.AuthenticationException):
        raise HostUnreachable(
            host.name,
            f"refused user {route.access.user} with {route.identity}",
            hint="check access.user and access.identity_file; the host holds the public keys that"
            " its user data gave it",
        ) from error
    if not isinstance(error, (OSError, EOFError, paramiko.SSHException)):
        raise error
    raise HostUnreachable(
        host.name,
        f"no SSH connection through {where}: {said or _reason(error, route)}",
        hint=_ssm_advice(said, error) if _by_ssm(route) else _direct_advice(route),
    ) from error


def _by_ssm(route: Route) -> bool:
    return route.access.transport is Transport.SSM


def _reason(error: Exception, route: Route) -> str:
    text = str(error)
    # A start_client() that runs out of time returns in silence; the next call finds no session.
    if isinstance(error, TimeoutError) or "banner" in text or "No existing session" in text:
        return f"no answer within {route.access.connect_timeout_s} s"
    return text or "the connection was closed"


def _ssm_advice(said: str, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "install the AWS CLI, or name it in access.aws_command"
    if "SessionManagerPlugin" in said:
        return "install the Session Manager plugin beside the AWS CLI"
    if "AccessDenied" in said or "not authorized" in said:
        return "your AWS identity may not ssm:StartSession on this instance"
    if "TargetNotConnected" in said:
        return "the SSM agent on the host is not connected: just booted, or no way to the endpoint"
    return "try the same by hand: `aws ssm start-session --target <instance id>`"


def _direct_advice(route: Route) -> str:
    return (
        f"is the host running, and may this machine reach port {route.access.port}?"
        " access.transport: ssm needs no open port"
    )


def _replace_host(host: Host) -> str:
    return (
        f"don't go on over this connection. If the host is really {host.name}, terminate it (a new"
        " one comes up and publishes its key); the published key is the SSM parameter"
        f" .../hosts/{host.name}/host-key"
    )


def _print(key: paramiko.PKey) -> str:
    return f"{key.get_name()} {key.fingerprint}"
