"""What functions say, in their log groups, as Lambda writes it."""

from __future__ import annotations

import threading
import time
from typing import Any

from botocore.exceptions import ClientError

STREAM = "rehearsal"


class FunctionLogs:
    """Writes lines into ``/aws/lambda/<function>``; *logs* is a client of CloudWatch Logs."""

    def __init__(self, logs: Any) -> None:
        self._logs = logs
        self._known: set[str] = set()
        self._lock = threading.Lock()

    def write(self, function: str, line: str) -> None:
        """One line, now. A function whose group nobody made logs nowhere, as on AWS."""
        group = f"/aws/lambda/{function}"
        with self._lock:
            try:
                self._open(group)
                self._logs.put_log_events(
                    logGroupName=group,
                    logStreamName=STREAM,
                    logEvents=[{"timestamp": int(time.time() * 1000), "message": line}],
                )
            except ClientError as error:
                if error.response["Error"]["Code"] != "ResourceNotFoundException":
                    raise

    def _open(self, group: str) -> None:
        if group not in self._known:
            self._logs.create_log_stream(logGroupName=group, logStreamName=STREAM)
            self._known.add(group)
