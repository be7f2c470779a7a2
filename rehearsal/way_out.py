"""What a rehearsed outage needs beside hosts: tasks, functions, their callers, names, a hosted API.

All of it lives in the cloud's process, and only when the room was stood up for an outage.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from rehearsal import made_up, moto_functions, moto_services
from rehearsal.alb_health import Board
from rehearsal.callers import Callers
from rehearsal.ec2 import client
from rehearsal.ecs_follow import EcsFollower
from rehearsal.function_logs import FunctionLogs
from rehearsal.functions import Functions
from rehearsal.hosted_api import HostedApi
from rehearsal.names import NameServer, cloud_map
from rehearsal.settings import HOSTED_KEY, HOSTED_PORT, Settings


def variables(settings: Settings) -> dict[str, str]:
    """What every container of a task is given: the room's account, and where hosted APIs are."""
    api = f"http://{settings.network.machine}:{HOSTED_PORT}"
    return {
        **made_up.VARIABLES,
        # LiteLLM asks there instead of api.openai.com.
        "OPENAI_BASE_URL": f"{api}/v1",
    }


class WayOut:
    """Everything of it; :meth:`stop` takes the tasks away."""

    def __init__(self, settings: Settings, board: Board, say: Callable[[str], None]) -> None:
        self._settings, self._board, self._say = settings, board, say
        self._ends = ExitStack()

    def start(self) -> None:
        """Begin. Raises MachineError when this machine's DNS is somebody else's."""
        settings, say = self._settings, self._say
        machine = settings.network.machine
        api = HostedApi(key=HOSTED_KEY, address=machine, port=HOSTED_PORT)
        api.open()
        self._ends.callback(api.refuse)
        found = cloud_map(client("servicediscovery", settings))
        self._ends.callback(NameServer(machine, found, say).start().stop)
        moto_services.teach(setattr)
        tasks = EcsFollower(settings, self._board, variables(settings), say)
        tasks.start()
        self._ends.callback(tasks.stop)
        self._start_functions()

    def stop(self) -> None:
        """End all of it, callers first."""
        self._ends.close()

    def _start_functions(self) -> None:
        settings, say = self._settings, self._say
        logs = FunctionLogs(client("logs", settings))
        functions = Functions(settings.state / "functions", logs.write)
        moto_functions.teach(functions.call, setattr)
        self._ends.callback(functions.stop)
        aws_lambda = client("lambda", settings)

        def invoke(name: str, event: dict[str, Any]) -> None:
            moto_functions.begin(aws_lambda, name, event)

        callers = Callers(settings, invoke, say)
        callers.start()
        self._ends.callback(callers.stop)
