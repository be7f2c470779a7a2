"""What makes a fresh root a host of its own: names, keys, services, and nothing of the operator."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from rehearsal.processes import run

STAND_INS = Path(__file__).with_name("stand_ins")
MADE = "etc/rehearsal/made"
# The operator's own things, and settings that would reach out of the rehearsal.
OPERATORS = (
    *("root/.ssh", "root/.aws", "root/.docker", "root/.netrc", "root/.profile", "root/.config"),
    *("etc/docker", "etc/systemd/system", "etc/apt/sources.list", "etc/apt/sources.list.d"),
    *("etc/apt/apt.conf.d/docker-clean", "etc/resolv.conf", "etc/hosts", "etc/hostname"),
    *("etc/ssh/sshd_config.d", "etc/environment", "var/log/rehearsal", "etc/llm-fleet"),
    *("opt/llm-fleet", "var/lib/llm-fleet", "var/lib/cloud", "var/lib/docker-registry"),
)
SSHD = """\
HostKey /etc/ssh/ssh_host_ed25519_key
HostKey /etc/ssh/ssh_host_ecdsa_key
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
PrintMotd no
MaxSessions 64
MaxStartups 100
Subsystem sftp internal-sftp
"""
UNITS = {
    "ssh.service": """\
[Unit]
Description=OpenSSH server
[Service]
Type=notify
ExecStart=/usr/sbin/sshd -D
ExecReload=/bin/kill -HUP $MAINPID
KillMode=process
Restart=on-failure
[Install]
WantedBy=multi-user.target
""",
    "docker.service": """\
[Unit]
Description=Docker daemon of one rehearsal host
[Service]
Type=notify
ExecStart=/usr/sbin/dockerd --cgroup-parent=/{cgroup} --dns={dns}
ExecReload=/bin/kill -HUP $MAINPID
KillMode=process
TimeoutStartSec=60
Restart=always
RestartSec=2
[Install]
WantedBy=multi-user.target
""",
    "cloud-final.service": """\
[Unit]
Description=User data, once in the life of an instance
After=ssh.service docker.service
ConditionPathExists=!/var/lib/cloud/instance/sem/config_scripts_user
ConditionPathExists=/var/lib/cloud/instance/user-data.txt
[Service]
Type=oneshot
ExecStart=/usr/local/sbin/cloud-final
[Install]
WantedBy=multi-user.target
""",
}


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a host is.

    ``names`` maps names to addresses for its hosts file; ``registries`` speak plain HTTP;
    ``user_data`` runs once at its first boot. Without ``docker`` it runs sshd alone: a light host
    for measurements.
    """

    name: str
    address: str
    gateway: str
    cgroup: str
    authorized_key: str
    names: tuple[tuple[str, str], ...] = ()
    registries: tuple[str, ...] = ()
    user_data: str = ""
    gpu: str = "A10G"
    gpus: int = 1
    docker: bool = True


def write(root: Path, who: Identity) -> None:
    """Fill a fresh root; a root that was filled before (a reboot) keeps what it has."""
    if (root / MADE).exists():
        return
    for path in OPERATORS:
        _remove(root / path)
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    for script in (root / "etc/profile.d").glob("*.sh"):
        script.unlink()
    _write_texts(root, who)
    _write_units(root, who)
    _install_stand_ins(root)
    for kind in ("ed25519", "ecdsa"):
        key = root / f"etc/ssh/ssh_host_{kind}_key"
        run("ssh-keygen", "-q", "-t", kind, "-N", "", "-C", f"root@{who.name}", "-f", key)
    _text(root / MADE, f"{who.name}\n")


def _write_texts(root: Path, who: Identity) -> None:
    lines = [f"127.0.0.1 localhost {who.name}", f"{who.address} {who.name}.rehearsal"]
    lines += [f"{address} {name}" for name, address in who.names]
    docker = {
        "insecure-registries": list(who.registries),
        "exec-opts": ["native.cgroupdriver=cgroupfs"],
    }
    _text(root / "etc/hosts", "\n".join(lines) + "\n")
    _text(root / "etc/hostname", f"{who.name}\n")
    # It knows the network's own names in a rehearsed outage; else nobody listens there, so that a
    # name which is not in the hosts file fails at once, not after 5 s.
    resolver = f"nameserver {who.gateway}\noptions timeout:1 attempts:1\n"
    _text(root / "etc/resolv.conf", resolver)
    _text(root / "etc/docker/daemon.json", json.dumps(docker, indent=4) + "\n")
    _text(root / "etc/ssh/sshd_config", SSHD)
    _text(root / "root/.ssh/authorized_keys", who.authorized_key.strip() + "\n", mode=0o600)
    (root / "root/.ssh").chmod(0o700)
    _text(root / "root/.bashrc", "")
    _text(root / "etc/apt/apt.conf.d/99rehearsal", 'Acquire::http::Proxy "DIRECT";\n')
    (root / "etc/apt/sources.list.d").mkdir(parents=True, exist_ok=True)
    gpu = f"MODE=ok\nGPU={who.gpu}\nCOUNT={who.gpus}\n"
    _text(root / "etc/rehearsal/gpu", gpu)
    if who.user_data:
        _text(root / "var/lib/cloud/instance/user-data.txt", who.user_data, mode=0o700)
    shadow = root / "etc/shadow"
    # A locked account ("!") may not log in with a key either when PAM is not asked.
    _text(shadow, re.sub(r"(?m)^root:[^:]*:", "root:*:", shadow.read_text()), mode=0o640)


def _write_units(root: Path, who: Identity) -> None:
    folder = root / "etc/systemd/system"
    for name, text in UNITS.items():
        if name == "docker.service" and not who.docker:
            continue
        _text(folder / name, text.replace("{cgroup}", who.cgroup).replace("{dns}", who.gateway))
        wants = folder / "multi-user.target.wants" / name
        wants.parent.mkdir(parents=True, exist_ok=True)
        wants.symlink_to(f"/etc/systemd/system/{name}")


def _install_stand_ins(root: Path) -> None:
    for name, place in (
        ("systemctl", "usr/local/bin"),
        ("journalctl", "usr/local/bin"),
        ("cloud-final", "usr/local/sbin"),
        ("nvidia-smi", "usr/bin"),
    ):
        target = root / place / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(STAND_INS / name, target)
        target.chmod(0o755)
    for name in ("nvidia-ctk", "nvidia-container-runtime-hook", "nvidia-container-runtime"):
        (root / "usr/bin" / name).unlink(missing_ok=True)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _text(path: Path, text: str, *, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text(text)
    path.chmod(mode)
