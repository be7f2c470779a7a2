"""The systemd units, as systemd reads them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from provision.render.units import AGENT, BOOT, units


def test_systemd_accepts_them(tmp_path: Path) -> None:
    """``systemd-analyze verify`` has nothing to say about either."""
    for name, content in units().items():
        (tmp_path / name).write_text(content)
    done = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / BOOT), str(tmp_path / AGENT)],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
    )

    assert done.returncode == 0, done.stderr
    assert "llm-fleet" not in done.stderr


def test_systemd_would_complain_about_a_wrong_one(tmp_path: Path) -> None:
    """The check above can fail."""
    wrong = tmp_path / AGENT
    wrong.write_text(units()[AGENT].replace("Restart=always", "Restart=sometimes"))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(wrong)],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin"},
    )

    assert AGENT in done.stderr


def test_the_agent_outlives_its_crashes_and_keeps_its_folder() -> None:
    """Restarted without end; the folder that the front mounts is never replaced."""
    agent = units()[AGENT].splitlines()

    assert "Restart=always" in agent
    assert "StartLimitIntervalSec=0" in agent
    assert "RuntimeDirectoryPreserve=yes" in agent


def test_boot_may_restart_the_agent() -> None:
    """No order between the two: a job that waits for itself would never end."""
    assert AGENT not in units()[BOOT]
    assert BOOT not in units()[AGENT]
