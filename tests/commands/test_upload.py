"""Packing a folder: the same files make the same bytes, and nothing leaves the folder."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.commands.upload import pack

NAMES = st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8})?\.txt", fullmatch=True)


@given(st.dictionaries(NAMES, st.binary(max_size=200), max_size=8))
def test_what_goes_in_comes_out(files: dict[str, bytes]) -> None:
    """Paths and bytes survive, whatever they hold."""
    with tarfile.open(fileobj=io.BytesIO(pack(files)), mode="r:gz") as archive:
        members = {one.name: archive.extractfile(one) for one in archive.getmembers()}
        assert {name: file.read() for name, file in members.items() if file} == files


@pytest.mark.parametrize("path", ["/etc/passwd", "../up", "a/../../up", ""])
def test_paths_that_leave_the_folder_are_refused(path: str) -> None:
    """A release can't write elsewhere on the host."""
    with pytest.raises(ValueError, match="not a path inside"):
        pack({path: b""})
