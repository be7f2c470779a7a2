"""What the front answered, counted from its own words: by tier, status and reason to pass on."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Dict, Mapping, Tuple

from provision.agent.errors import AgentError
from provision.agent.front_log import Answer, parse
from provision.agent.paths import Paths

_LONGEST = 8192
_BUFFER = 1 << 20

Key = Tuple[str, int, str]  # tier, status, spill


class Traffic:
    """Counts since the agent's start. Probes are counted apart: they are nobody's requests.

    ``unreadable`` are datagrams that were not the front's.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: Dict[Key, int] = {}
        self.probes = 0
        self.unreadable = 0

    def count(self, datagram: bytes) -> None:
        """Take note of one answer."""
        answer = parse(datagram)
        with self._lock:
            if answer is None:
                self.unreadable += 1
            elif answer.probe:
                self.probes += 1
            else:
                key = (answer.tier, answer.status, answer.spill)
                self._answers[key] = self._answers.get(key, 0) + 1

    def answers(self) -> Mapping[Key, int]:
        """So many answers of each kind, until now."""
        with self._lock:
            return dict(self._answers)


def since(before: Mapping[Key, int], now: Mapping[Key, int]) -> Dict[str, int]:
    """What came between two counts: good answers by tier, and errors (``errors``)."""
    found: Dict[str, int] = {}
    for (tier, status, spill), count in now.items():
        more = count - before.get((tier, status, spill), 0)
        answer = Answer(tier, status, spill)
        name = "errors" if answer.failed else tier if answer.good else ""
        if name and more:
            found[name] = found.get(name, 0) + more
    return found


def listen(paths: Paths) -> socket.socket:
    """The socket to which the front writes. Raises AgentError when it can't be made.

    An empty file beside it tells the front that somebody listens: nginx can't look for a socket.
    """
    path, sign = paths.answers, paths.counting
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for stale in (sign, path):
            with suppress(FileNotFoundError):
                stale.unlink()
        server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        server.bind(str(path))
        path.chmod(0o666)  # nginx's workers are not root
        sign.touch()
    except OSError as error:
        raise AgentError(
            f"the agent can't listen at {path}: {error}",
            hint="answers are not counted until the agent is restarted",
        ) from None
    return server


def keep_counting(server: socket.socket, traffic: Traffic) -> None:
    """Count what comes, until the process ends."""
    while True:
        traffic.count(server.recv(_LONGEST))
