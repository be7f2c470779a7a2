"""A host's root file system: this machine's own root with a layer of its own on top.

Runs as process 1 of the host's namespaces, before anything else does. Nothing that happens here is
seen outside: the mounts end with the namespace.
"""

from __future__ import annotations

import ctypes
import os
import stat
from pathlib import Path

from rehearsal.processes import run

NODES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9)}
NODES |= {"tty": (5, 0), "kmsg": (1, 11), "fuse": (10, 229), "loop-control": (10, 237)}
DISKS = Path("dev/disk/by-id")
_SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}


def build(folder: Path, *, hide: Path, binds: tuple[Path, ...]) -> Path:
    """Mount the root of the host that lives in *folder* and return where it is mounted.

    *hide* (the rehearsal's state, with the roots of all hosts) is empty inside; *binds* are shown
    read-only, for what lies on another file system than this machine's root.
    """
    upper, work, root = (folder / name for name in ("upper", "work", "root"))
    for path in (upper, work, root, folder / "docker"):
        path.mkdir(parents=True, exist_ok=True)
    run("mount", "--make-rprivate", "/")
    options = f"lowerdir=/,upperdir={upper},workdir={work}"
    run("mount", "-t", "overlay", "-o", options, "overlay", root)
    run("mount", "-t", "proc", "proc", _folder(root / "proc"))
    run("mount", "--rbind", "/sys", _folder(root / "sys"))
    for place in ("dev", "run", "tmp", str(hide).lstrip("/")):
        run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", _folder(root / place))
    (root / "tmp").chmod(0o1777)
    for name in ("run/lock", "run/sshd", "run/rehearsal", "run/systemd/system"):
        _folder(root / name)
    _devices(root)
    docker = _folder(root / "var/lib/docker")
    run("mount", "--bind", folder / "docker", docker)
    for path in binds:
        target = _folder(root / str(path).lstrip("/"))
        run("mount", "--bind", path, target)
        run("mount", "-o", "remount,bind,ro", target)
    return root


def enter(root: Path) -> None:
    """Make *root* the root of this process and of all that it starts; let the old one go."""
    # pivot_root, not chroot: with chroot `docker exec` would land in the machine outside.
    os.chdir(root)
    _pivot_root(".", ".")
    run("umount", "-l", ".")
    os.chdir("/")


def add_disk(root: Path, device: int, name: str, by_id: str) -> None:
    """Show a block device (*device* number) as ``/dev/NAME`` with a link by its id."""
    node = root / "dev" / name
    if not node.exists():
        os.mknod(node, 0o660 | stat.S_IFBLK, device)
    link = root / DISKS / by_id
    if not link.is_symlink():
        link.symlink_to(f"../../{name}")


def remove_disk(root: Path, name: str, by_id: str) -> None:
    """Take a block device out of sight."""
    (root / DISKS / by_id).unlink(missing_ok=True)
    (root / "dev" / name).unlink(missing_ok=True)


def _devices(root: Path) -> None:
    os.umask(0)
    for name, (major, minor) in NODES.items():
        os.mknod(root / "dev" / name, 0o666 | stat.S_IFCHR, os.makedev(major, minor))
    os.umask(0o022)
    terminals, memory = _folder(root / "dev/pts"), _folder(root / "dev/shm")
    run("mount", "-t", "devpts", "-o", "newinstance,ptmxmode=0666,mode=620", "devpts", terminals)
    run("mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", memory)
    for link, target in (
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ):
        (root / "dev" / link).symlink_to(target)
    _folder(root / "dev/net")
    _folder(root / DISKS)


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def _pivot_root(new: str, old: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    number = _SYS_PIVOT_ROOT[os.uname().machine]
    if libc.syscall(number, new.encode(), old.encode()) != 0:
        raise OSError(ctypes.get_errno(), "pivot_root")
