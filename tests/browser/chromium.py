"""Debian's Chromium without a screen, driven over two pipes: no port, no driver program."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PATIENCE_S = 60
_FLAGS = (
    "--headless",
    "--no-sandbox",  # the tests run as root
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--remote-debugging-pipe",
)
_TO, _FROM = 3, 4  # the descriptors on which Chromium listens and answers


@dataclass
class Chromium:
    """One tab. What it complained of and what it asked the network for is kept."""

    profile: Path
    complaints: list[str] = field(default_factory=list)
    requested: list[str] = field(default_factory=list)

    def __enter__(self) -> Chromium:
        (reads, self._out), (self._in, writes) = os.pipe(), os.pipe()
        self._process = _start(self.profile, reads, writes)
        self._buffer, self._last, self._session = b"", 0, ""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        opened = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = opened["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE_S)
        os.close(self._in)
        os.close(self._out)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Ask the DevTools protocol; an error in its answer is raised."""
        self._last += 1
        asked: dict[str, Any] = {"id": self._last, "method": method, "params": parameters}
        if self._session:
            asked["sessionId"] = self._session
        os.write(self._out, json.dumps(asked).encode() + b"\0")
        while (said := self._read()).get("id") != self._last:
            self._note(said)
        if "error" in said:
            raise RuntimeError(f"{method}: {said['error']}")
        answer: dict[str, Any] = said["result"]
        return answer

    def open(self, path: Path, *, width: int, height: int = 900, dark: bool = False) -> None:
        """Load a file as a screen of *width* points would, with the network switched off."""
        self.call(
            "Network.emulateNetworkConditions",
            **{"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1},
        )
        self.screen(width, height)
        self.media("screen", dark=dark)
        self.call("Page.navigate", url=path.as_uri())
        while self.value("document.readyState") != "complete":
            self._note(self._read())

    def screen(self, width: int, height: int = 900) -> None:
        """Change the size of the screen; below 600 points it is a phone with its denser pixels."""
        phone = width < 600
        self.call(
            "Emulation.setDeviceMetricsOverride",
            **{"width": width, "height": height},
            **{"deviceScaleFactor": 2 if phone else 1, "mobile": phone},
        )

    def media(self, kind: str, *, dark: bool = False) -> None:
        """``screen`` or ``print``, light or dark."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=kind, features=[scheme])

    def value(self, expression: str) -> Any:
        """What a JavaScript expression is worth in the page."""
        said = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in said:
            raise RuntimeError(f"{expression}: {said['exceptionDetails']}")
        return said["result"].get("value")

    def names(self, role: str) -> list[str]:
        """The accessible names of all nodes of a role, as a screen reader hears them."""
        nodes = self.call("Accessibility.getFullAXTree")["nodes"]
        seen = [node for node in nodes if not node["ignored"] and node["role"]["value"] == role]
        return [node.get("name", {}).get("value", "") for node in seen]

    def picture(self, path: Path) -> None:
        """The whole page as PNG."""
        taken = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(taken["data"]))

    def print_to(self, path: Path) -> None:
        """The page as PDF, on A4."""
        paper = {"paperWidth": 8.27, "paperHeight": 11.69, "printBackground": False}
        path.write_bytes(base64.b64decode(self.call("Page.printToPDF", **paper)["data"]))

    def _note(self, event: dict[str, Any]) -> None:
        method, said = event.get("method"), event.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requested.append(said["request"]["url"])
        elif method == "Log.entryAdded":
            self.complaints.append(said["entry"]["text"])
        elif method == "Runtime.consoleAPICalled":
            self.complaints.append(f"console.{said['type']}")
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(said["exceptionDetails"]["text"])

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], PATIENCE_S)
            piece = os.read(self._in, 1 << 20) if ready else b""
            if not piece:
                raise RuntimeError("Chromium said no more")
            self._buffer += piece
        message, _, self._buffer = self._buffer.partition(b"\0")
        said: dict[str, Any] = json.loads(message)
        return said


def _start(profile: Path, reads: int, writes: int) -> subprocess.Popen[bytes]:
    """Chromium with the pipes where it looks for them; ours of those two ends are closed."""
    # Out of the way first: one of them may have the number that the other is meant to get.
    far = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (reads, writes)]
    # A shell puts them there: preexec_fn would run Python between fork and exec.
    place = f'exec {_TO}<&{far[0]} {_FROM}>&{far[1]}; exec "$@"'
    words = ["chromium", *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(
        ["bash", "-c", place, "chromium", *words],
        pass_fds=far,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for end in (reads, writes, *far):
        os.close(end)
    return process
