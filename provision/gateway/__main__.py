"""``python -m provision.gateway``: the supervisor; with ``worker FD FD`` one of its workers."""

from __future__ import annotations

import os
import socket
import sys
import time

from provision.gateway.errors import GatewayError
from provision.gateway.settings import VARIABLE, Settings, parse


def main(arguments: list[str]) -> int:
    """The exit code."""
    try:
        settings = parse(os.environ.get(VARIABLE))
        if arguments and arguments[0] == "worker":
            return _work(settings, int(arguments[1]), int(arguments[2]))
        return _supervise(settings)
    except GatewayError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _supervise(settings: Settings) -> int:
    from provision.gateway.events import Events
    from provision.gateway.provider_keys import SecretStore
    from provision.gateway.supervisor import Supervisor
    from provision.gateway.table import client

    secrets = client("secretsmanager", settings.region, settings.aws_endpoint_url)
    events = Events(settings.environment, time.time)
    return Supervisor(settings, SecretStore(secrets), events).run()


def _work(settings: Settings, listener: int, talk: int) -> int:
    from provision.gateway.talk import Brief
    from provision.gateway.worker import run

    brief = Brief.parse(sys.stdin.read())
    with os.fdopen(talk, "w", encoding="utf-8") as talking:
        run(settings, brief, socket.socket(fileno=listener), talking)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
