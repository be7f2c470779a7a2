"""How the host program is called. It prints one JSON event a line; see docs/hosts.md."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from provision.commands.command import Command
from provision.secret import Secret

RELEASES = "/opt/llm-fleet/releases"
BUILDS = "/opt/llm-fleet/builds"
INSTALLED = "/opt/llm-fleet/host.pyz"

# Each is longer than the program's own limits, so that its words arrive before ours run out.
_APPLY_S = 3600.0
_SEED_S = 4 * 3600.0
_MIRROR_S = 3600.0
_PROVE_S = 3600.0  # it may have to pull the image first


def release_folder(release_id: str) -> str:
    """Where the host keeps the release."""
    return f"{RELEASES}/{release_id}"


def build_folder(name: str) -> str:
    """Where the host finds what an image is built of; it takes it away when it is through."""
    return f"{BUILDS}/{name}"


def program_of(release_id: str) -> str:
    """The host program that came with the release, there before anything is installed."""
    return f"{release_folder(release_id)}/host.pyz"


def apply(
    release_id: str,
    *,
    fetch: bool = False,
    restart: bool = False,
    first: bool = False,
    replica: int | None = None,
) -> Command:
    """Switch the host, or one engine of it, to the release; with *fetch* from the bucket first.

    With *restart* its containers start anew even when they are as wanted; with *first* the host
    refuses when another release runs there. An engine is changed by
    the program that is installed: that of a release from before may not know of single engines.
    """
    program = INSTALLED if fetch or replica is not None else program_of(release_id)
    said = {"--fetch": fetch, "--restart": restart, "--first": first}
    flags = (flag for flag, wanted in said.items() if wanted)
    words = ("apply", "--release", release_id, *flags, *_one(replica))
    return _call(program, *words, timeout_s=_APPLY_S)


def while_away(command: Command, since: float) -> Command:
    """*command*, an apply; the host refuses it when its maintenance that began then has ended."""
    return replace(command, argv=(*command.argv, "--away-since", repr(since)))


def prepare(release_id: str, *, fetch: bool = False) -> Command:
    """Bring to the host what the release needs, while what runs there goes on."""
    program = INSTALLED if fetch else program_of(release_id)
    words = ("prepare", "--release", release_id, *(("--fetch",) if fetch else ()))
    return _call(program, *words, timeout_s=_APPLY_S)


def maintain(*, lease_s: float, why: str, replica: int | None = None) -> Command:
    """Mark the host, or one engine of it, as away on purpose, for *lease_s* at most."""
    words = ("maintain", "--lease", f"{lease_s:.0f}", "--why", why, *_one(replica))
    return _call(INSTALLED, *words, timeout_s=20)


def drain(*, timeout_s: float, replica: int | None = None) -> Command:
    """Wait until no engine of the host, or the one, has anything to do."""
    words = ("drain", "--timeout", f"{timeout_s:.0f}", *_one(replica))
    return _call(INSTALLED, *words, timeout_s=timeout_s + 30)


def resume(*, replica: int | None = None) -> Command:
    """End the maintenance; of one engine, until the front sends it requests again."""
    return _call(INSTALLED, "resume", *_one(replica), timeout_s=45)


def bake(release_id: str, *, seconds: float, replica: int | None = None) -> Command:
    """Watch the host or one engine: ready for the release all the time, nothing restarted."""
    words = ("bake", "--release", release_id, "--seconds", f"{seconds:.0f}", *_one(replica))
    return _call(INSTALLED, *words, timeout_s=seconds + 30)


def ask(model: str | None, *, chat: bool, key: Secret, timeout_s: float) -> Command:
    """Ask the host's own front with *key*, whole and streamed; a base model without messages.

    *model* None: the one of the release that runs there.
    """
    named = ("--model", model) if model else ()
    words = ("ask", *named, *(() if chat else ("--completion",)))
    document = {"key": key.reveal()}
    return _call(
        INSTALLED,
        *words,
        "--timeout",
        f"{timeout_s:.0f}",
        document=document,
        timeout_s=timeout_s + 150,  # two answers may have begun just before its own time is up
    )


def wait(release_id: str, *, timeout_s: float, replica: int | None = None) -> Command:
    """Follow the host, or one engine, until its agent says ready for the release."""
    program = program_of(release_id) if replica is None else INSTALLED
    words = ("wait", "--release", release_id, "--timeout", f"{timeout_s:.0f}", *_one(replica))
    return _call(program, *words, timeout_s=timeout_s + 30)


def status() -> Command:
    """What the agent on the host says of itself, as one JSON document."""
    return _call(INSTALLED, "status", timeout_s=20)


def seed_weights(document: Mapping[str, Any], *, program: str) -> Command:
    """Fetch weights from the Hub and put them into the bucket. *document* holds keys: masked."""
    return _call(program, "seed-weights", document=document, timeout_s=_SEED_S)


def mirror(document: Mapping[str, Any], *, program: str) -> Command:
    """Build or copy images and push them. *document* holds the registry's password: masked."""
    return _call(program, "mirror", document=document, timeout_s=_MIRROR_S)


def prove_gpu(image: str, *, count: int, program: str) -> Command:
    """Show that a container of *image* sees all GPUs of the host."""
    words = ("prove-gpu", "--image", image, "--count", str(count))
    return _call(program, *words, timeout_s=_PROVE_S)


def _one(replica: int | None) -> tuple[str, ...]:
    return () if replica is None else ("--replica", str(replica))


def _call(
    program: str, *words: str, document: Mapping[str, Any] | None = None, timeout_s: float
) -> Command:
    text = None if document is None else Secret(json.dumps(document, sort_keys=True))
    return Command(("python3", program, *words), stdin=text, timeout_s=timeout_s)
