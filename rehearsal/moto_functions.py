"""moto's Lambda, whose functions really run."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

from moto.awslambda.models import LambdaFunction

from rehearsal.functions import Answer, Function

Call = Callable[[Function, Any], Answer]


def teach(call: Call, replace: Callable[[type, str, Any], None]) -> None:
    """Let ``Invoke`` run the function's own archive, or begin to (``Event``)."""

    def invoke(
        function: LambdaFunction, body: Any, headers: Any, answer_headers: dict[str, str]
    ) -> str | bytes:
        event = json.loads(body) if body else {}
        uploaded = function_of(function)
        if headers.get("x-amz-invocation-type") == "Event":
            threading.Thread(target=call, args=(uploaded, event), daemon=True).start()
            return ""
        answer = call(uploaded, event)
        if answer.failed:
            answer_headers["x-amz-function-error"] = "Unhandled"
        return answer.payload.encode()

    replace(LambdaFunction, "invoke", invoke)


def begin(aws_lambda: Any, name: str, event: dict[str, Any]) -> None:
    """Call a function that nobody waits for; *aws_lambda* is a client."""
    aws_lambda.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(event).encode())


def function_of(known: LambdaFunction) -> Function:
    """What moto keeps of it."""
    return Function(
        name=known.function_name,
        handler=str(known.handler),
        archive=known.code_bytes,
        variables=dict(known.environment_vars),
        timeout_s=float(known.timeout),
        region=known.region,
    )
