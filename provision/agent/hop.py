"""The hop secret: made once per host, known to its front and its engines only."""

from __future__ import annotations

import secrets

from provision.agent.paths import Paths
from provision.agent.system import write_atomic

_NAME = "VLLM_API_KEY="


def ensure(paths: Paths) -> str:
    """The secret; made, and written where engine and front read it, when there is none."""
    value = read(paths)
    if not value:
        value = secrets.token_urlsafe(32)
        write_atomic(paths.hop_env, f"{_NAME}{value}\n".encode(), mode=0o600)
    line = f'proxy_set_header Authorization "Bearer {value}";\n'.encode()
    if not paths.hop_conf.is_file() or paths.hop_conf.read_bytes() != line:
        write_atomic(paths.hop_conf, line, mode=0o600)
    return value


def read(paths: Paths) -> str:
    """The secret, empty when none was made yet."""
    if not paths.hop_env.is_file():
        return ""
    for line in paths.hop_env.read_text(encoding="utf-8").splitlines():
        if line.startswith(_NAME):
            return line[len(_NAME) :].strip()
    return ""
