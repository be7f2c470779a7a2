"""A signed package repository with the lab's NVIDIA Container Toolkit, made on the spot.

The packages are stand-ins: ``nvidia-ctk`` writes Docker's configuration as the real one does, and
the runtime hook shows a container the stand-in for ``nvidia-smi``. apt, dpkg, gpg and Docker's own
GPU code are real.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from rehearsal.http_server import QuietHandler
from rehearsal.processes import run

VERSION = "1.20.1-1"
BASE = "nvidia-container-toolkit-base"
TOOLKIT = "nvidia-container-toolkit"
STAND_INS = Path(__file__).with_name("stand_ins")
PROGRAMS = {
    BASE: ("nvidia-ctk",),
    TOOLKIT: ("nvidia-container-runtime-hook", "nvidia-container-runtime"),
}
KEY = "key.gpg"  # armoured, as NVIDIA's is
SIGNER = "llm-fleet rehearsal <rehearsal@localhost>"


def make(folder: Path) -> None:
    """Write the repository into *folder*: packages, signed index, and the key as ``key.gpg``."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    stanzas = [_package(name, folder) for name in PROGRAMS]
    (folder / "Packages").write_text("\n".join(stanzas))
    (folder / "Release").write_text(_release(folder))
    _sign(folder)


def handler(folder: Path) -> type[QuietHandler]:
    """A request handler that serves *folder*."""

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            file = (folder / self.path.partition("?")[0].lstrip("/")).resolve()
            if file.is_relative_to(folder.resolve()) and file.is_file():
                self.answer(200, file.read_bytes(), kind="application/octet-stream")
            else:
                self.answer(404)

        do_HEAD = do_GET

    return Handler


def _package(name: str, folder: Path) -> str:
    architecture = run("dpkg", "--print-architecture").strip()
    control = (
        f"Package: {name}\nVersion: {VERSION}\nArchitecture: {architecture}\n"
        "Maintainer: llm-fleet rehearsal <rehearsal@localhost>\nPriority: optional\n"
        f"Section: utils\nDescription: stand-in for {name} on a machine without a GPU\n"
    )
    if name == TOOLKIT:
        control = control.replace("Priority:", f"Depends: {BASE} (= {VERSION})\nPriority:")
    file = f"{name}_{VERSION}_{architecture}.deb"
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch) / "tree"
        binaries = tree / "usr" / "bin"
        binaries.mkdir(parents=True)
        for path in (tree, tree / "usr", binaries):
            path.chmod(0o755)
        (tree / "DEBIAN").mkdir(mode=0o755)
        (tree / "DEBIAN" / "control").write_text(control)
        for program in PROGRAMS[name]:
            shutil.copyfile(STAND_INS / program, binaries / program)
            (binaries / program).chmod(0o755)
        run("dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, folder / file)
    data = (folder / file).read_bytes()
    return (
        f"{control}Filename: ./{file}\nSize: {len(data)}\n"
        f"SHA256: {hashlib.sha256(data).hexdigest()}\n"
    )


def _release(folder: Path) -> str:
    data = (folder / "Packages").read_bytes()
    date = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S UTC")
    return (
        f"Origin: llm-fleet rehearsal\nLabel: rehearsal\nDate: {date}\nSHA256:\n"
        f" {hashlib.sha256(data).hexdigest()} {len(data)} Packages\n"
    )


def _sign(folder: Path) -> None:
    # A short path: gpg-agent listens on a socket below it, and socket paths are short.
    with tempfile.TemporaryDirectory(prefix="lf-gpg") as home:
        Path(home).chmod(0o700)
        gpg = ["gpg", "--homedir", home, "--batch", "--yes", "--quiet"]
        gpg += ["--pinentry-mode", "loopback", "--passphrase", ""]
        try:
            run(*gpg, "--quick-generate-key", SIGNER, "ed25519", "sign", "never")
            run(*gpg, "--armor", "--output", folder / KEY, "--export")
            run(*gpg, "--output", folder / "InRelease", "--clearsign", folder / "Release")
        finally:
            run("gpgconf", "--homedir", home, "--kill", "gpg-agent", check=False)
    (folder / KEY).chmod(0o644)
