"""How a folder of files arrives on a host: as a whole, or not at all."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import PurePosixPath

from provision.commands.command import Command, script

# A first mv puts the old folder aside because rename(2) does not replace a folder that holds
# something; the lines above it heal what a run that was killed between the two has left.
_UNPACK = """\
folder=$1 partial=$1.partial old=$1.replaced
if [ -e "$old" ] && [ ! -e "$folder" ]; then mv -T "$old" "$folder"; fi
rm -rf "$partial" "$old"
trap 'rm -rf "$partial"' EXIT
mkdir -p "$partial"
tar -xzf - --no-same-owner -C "$partial"
if [ -e "$folder" ]; then mv -T "$folder" "$old"; fi
mv -T "$partial" "$folder" || { [ ! -e "$old" ] || mv -T "$old" "$folder"; exit 1; }
rm -rf "$old"
"""


def unpack(folder: str) -> Command:
    """Make *folder* hold what :func:`pack` made, read from standard input.

    An archive that ends too early fails (gzip counts and sums its bytes) and leaves *folder* as
    it was.
    """
    return script(_UNPACK, folder, timeout_s=300)


def pack(files: Mapping[str, bytes]) -> bytes:
    """*files* (relative path -> content) as one archive, the same bytes for the same files.

    What begins with ``#!`` becomes executable. Raises ValueError for a path that leaves the folder.
    """
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as archive:
        for path in sorted(files):
            parts = PurePosixPath(path).parts
            if not parts or parts[0] == "/" or ".." in parts:
                raise ValueError(f"not a path inside the folder: {path!r}")
            entry = tarfile.TarInfo(path)
            entry.size = len(files[path])
            entry.mode = 0o755 if files[path].startswith(b"#!") else 0o644
            archive.addfile(entry, io.BytesIO(files[path]))
    return packed.getvalue()
