"""A host refuses commands of a run that a newer one has replaced.

It keeps the highest epoch that it has heard of. A command that carries an older one is not begun,
wherever it was held up: on a laptop that slept, in a connection that hung.
"""

from __future__ import annotations

FOLDER = "/var/lib/llm-fleet"
REFUSED = 113  # the exit code; standard error then ends with SAYS and the host's epoch
SAYS = "llm-fleet epoch "

# One line: some ways to a host send commands line by line. A host whose disk is full must still be
# put back into traffic: what can't be remembered there is not remembered, and the command runs.
_SCRIPT = (
    f"d={FOLDER}; [ -d $d ] || mkdir -p $d; {{ flock 9; k=; "
    "[ ! -r $d/epoch ] || read -r k <$d/epoch; "
    'case $k in ""|*[!0-9]*) k=0;; esac; '
    f'if [ "$1" -lt "$k" ]; then echo "{SAYS}$k" >&2; exit {REFUSED}; fi; '
    '[ "$1" -eq "$k" ] || { echo "$1" >$d/epoch.new && mv -f $d/epoch.new $d/epoch; }; '
    '} 9>>$d/epoch.lock; shift; exec "$@"'
)


def fenced(epoch: int, words: tuple[str, ...]) -> tuple[str, ...]:
    """*words*, run only where no epoch above *epoch* is known; *epoch* is known there then."""
    return ("sh", "-c", _SCRIPT, "fence", str(epoch), *words)


def newer(exit_code: int, stderr: str) -> int | None:
    """The epoch for which the host refused a command, None when it did not."""
    if exit_code != REFUSED:
        return None
    _, found, rest = stderr.rpartition(SAYS)
    number = rest.strip()
    return int(number) if found and number.isdecimal() else None
