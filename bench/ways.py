"""Who is lost when our engine fails, hosted APIs fail, and both: every pair, whole and streamed.

A host's front, a gateway's task with its front, real LiteLLM, moto for AWS; the tests' quick engine
and hosted APIs of the tests. Everything on this machine's loopback.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from rehearsal import gateway as litellm
from rehearsal.hosted_api import hosted_api
from tests.hosted.conftest import B_WORDS
from tests.hosted.standing import CREDENTIALS, standing
from tests.hosted.way import READ_S, way
from tests.hosted.ways import HEAD, Row, cells, line, run

REQUESTS = 7  # of each form, and as many more where something strikes


def main() -> int:
    """Print the table; 1 when a request was lost."""
    os.environ.update({name.upper(): value for name, value in CREDENTIALS.items()})
    litellm.ensure(lambda said: print(said, file=sys.stderr))
    # nginx's workers are another user: they must get to the gateway's socket.
    folder = Path(tempfile.mkdtemp(prefix="llm-fleet-gateway-"))
    folder.chmod(0o755)
    try:
        rows = table(folder)
    finally:
        shutil.rmtree(folder)
    return 1 if sum(row.by["lost"] for row in rows) else 0


def table(folder: Path) -> list[Row]:
    """Every cell, printed as it ends."""
    rows: list[Row] = []
    with (
        hosted_api("A") as a,
        hosted_api("B", words=B_WORDS) as b,
        standing(folder, a, b) as gateway,
    ):
        gateway.wait_ready()
        with way(gateway) as here:
            print(HEAD)
            for cell in cells(thorough=True):
                pair = run(cell, here, REQUESTS)
                print(*map(line, pair), sep="\n", flush=True)
                rows += pair
    print(total(rows))
    print(
        f"seconds of one client; a front waits {READ_S} s for a first or a next byte, the gateway"
    )
    print("2 s for a whole answer and 1 s for a stream's first byte, of each of two providers")
    return rows


def total(rows: list[Row]) -> str:
    """The sum of it all, in a line."""
    asked, lost = sum(row.asked for row in rows), sum(row.by["lost"] for row in rows)
    cut, none = sum(row.by["cut"] for row in rows), sum(row.by["none"] for row in rows)
    answered = sum(row.answered for row in rows)
    return f"asked {asked}: answered {answered}, none {none}, cut {cut}, lost {lost}"


if __name__ == "__main__":
    sys.exit(main())
