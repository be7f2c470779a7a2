"""How a host is asked for its logs: engines, front and agent, each line with its source."""

from __future__ import annotations

import re

from provision.commands.command import Command, script
from provision.errors import UsageError

_FOLLOW_S = 3600.0
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

# $1 since (seconds ago, "" for all), $2 lines, $3 "follow" or "".
# The agent's events are JSON with the time in "t"; the containers' logs are Docker's.
_SCRIPT = r"""
since=$1 lines=$2 follow=$3
label() { sed -u "s/^/$1 | /"; }
container() {
  docker logs ${since:+--since "${since}s"} --tail "$lines" ${follow:+--follow} "$1" 2>&1 |
    label "${1#llm-fleet-}"
}
agent() {
  [ -f /run/llm-fleet/events.jsonl ] || return 0
  if [ -n "$follow" ]; then
    tail -n "$lines" -F /run/llm-fleet/events.jsonl 2>/dev/null | label agent
  else
    from=${since:+$(($(date +%s) - since))}
    awk -v from="${from:-0}" '
      match($0, /"t": [0-9]+/) && substr($0, RSTART + 5, RLENGTH - 5) + 0 >= from
    ' /run/llm-fleet/events.jsonl | tail -n "$lines" | label agent
  fi
}
names=$(docker ps --all --filter name=llm-fleet- --format '{{.Names}}' | sort)
if [ -z "$follow" ]; then
  for name in $names; do container "$name"; done
  agent
else
  trap 'trap - EXIT HUP TERM; kill 0' EXIT HUP TERM
  for name in $names; do container "$name" & done
  agent &
  wait
fi
"""


def logs(*, since: str = "", lines: int = 100, follow: bool = False) -> Command:
    """The last *lines* of each source, not older than *since* (``90s``, ``10m``, ``2h``, ``1d``).

    With *follow*, and what comes after, for an hour at most. Raises UsageError for another *since*.
    """
    seconds = str(seconds_of(since)) if since else ""
    timeout_s = _FOLLOW_S if follow else 60.0
    return script(_SCRIPT, seconds, str(lines), "follow" if follow else "", timeout_s=timeout_s)


def seconds_of(text: str) -> int:
    """``90s``, ``10m``, ``2h`` or ``1d`` in seconds. Raises UsageError."""
    match = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if match is None:
        raise UsageError(f"{text!r} is not a time", hint="like 90s, 10m, 2h, 1d")
    return int(match[1]) * _UNITS[match[2]]
