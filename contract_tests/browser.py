"""A headless Chromium by plain WebDriver requests: as much of it as the chat page needs.

Chromium and its driver are the system's (Debian: `chromium`, `chromium-driver`).
"""

from __future__ import annotations

import base64
import contextlib
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import httpx

_OPTIONS: Final = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


class BrowserError(RuntimeError):
    """What the browser could not do, in its driver's words."""


class Browser:
    """One page of a headless Chromium, told what to do by WebDriver. `chromium` starts it."""

    _ELEMENT = "element-6066-11e4-a52e-4f735466cecf"

    def __init__(self, driver: str, profile: Path) -> None:
        self._http = httpx.Client(base_url=driver, trust_env=False, timeout=60)
        options = {"args": [*_OPTIONS, f"--user-data-dir={profile}"]}
        wanted = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}}
        self._session = self._send("POST", "/session", wanted)["sessionId"]

    def _send(self, verb: str, path: str, body: object = None) -> Any:
        answer = self._http.request(verb, path, json=body).json()["value"]
        if isinstance(answer, dict) and "error" in answer:
            raise BrowserError(f"{answer['error']}: {answer['message']}")
        return answer

    def _do(self, path: str, body: object) -> Any:
        return self._send("POST", f"/session/{self._session}/{path}", body)

    def open(self, url: str) -> None:
        """Go to a page, and wait until it is loaded."""
        self._do("timeouts", {"script": 20_000})
        self._do("url", {"url": url})

    def size(self, width: int, height: int, scheme: str = "light", media: str = "") -> None:
        """Show the page in so many CSS pixels, to somebody who likes it "light" or "dark"; as it is
        printed with `media` "print"."""
        self._do("window/rect", {"width": width, "height": height})
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        for command, params in {
            "Emulation.setEmulatedMedia": {"media": media, "features": features},
            "Emulation.setDeviceMetricsOverride": metrics,
        }.items():
            self._do("goog/cdp/execute", {"cmd": command, "params": params})

    def run(self, script: str, *arguments: object) -> Any:
        """Return what a JavaScript function body returns."""
        return self._do("execute/sync", {"script": script, "args": list(arguments)})

    def until(self, condition: str, *arguments: object) -> Any:
        """Return what `condition` (a JavaScript expression) says, as soon as it says something."""
        script = f"""
            const done = arguments[arguments.length - 1], given = [...arguments].slice(0, -1);
            const say = () => {{ const found = (() => {condition})(); if (found) done(found); }};
            new MutationObserver(say).observe(document,
                {{subtree: true, childList: true, attributes: true, characterData: true}});
            say();
        """
        return self._do("execute/async", {"script": script, "args": list(arguments)})

    def find(self, css: str) -> str:
        """Return the driver's id of the first element that a CSS selector matches."""
        found: str = self._do("element", {"using": "css selector", "value": css})[self._ELEMENT]
        return found

    def click(self, css: str) -> None:
        """Click on an element."""
        self._on(css, "click", {})

    def type(self, css: str, text: str) -> None:
        """Type into an element."""
        self._on(css, "value", {"text": text})

    def _on(self, css: str, what: str, body: object) -> None:
        """Act on an element; once more if it was painted anew between finding and acting."""
        for _ in range(20):
            try:
                self._do(f"element/{self.find(css)}/{what}", body)
            except BrowserError as error:
                if "stale element reference" not in str(error):
                    raise
            else:
                return
        raise BrowserError(f"{css} is painted anew all the time")

    def screenshot(self, path: Path) -> None:
        """Write a PNG of what the window shows."""
        answer = self._send("GET", f"/session/{self._session}/screenshot")
        path.write_bytes(base64.b64decode(answer))

    def picture(self, path: Path, box: Mapping[str, float], scale: float = 1) -> None:
        """Write a PNG of a part of the page: `x`, `y`, `width`, `height` in CSS pixels."""
        wanted = {"format": "png", "clip": {**box, "scale": scale}, "captureBeyondViewport": True}
        taken = self._do("goog/cdp/execute", {"cmd": "Page.captureScreenshot", "params": wanted})
        path.write_bytes(base64.b64decode(taken["data"]))

    def close(self) -> None:
        """End the session."""
        self._send("DELETE", f"/session/{self._session}")
        self._http.close()


@contextlib.contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """Give a browser for as long as the ``with`` statement lasts; `profile` is a directory of its
    own.

    Raises FileNotFoundError without a chromedriver, BrowserError when it does not start.
    """
    command = ["chromedriver", "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
        try:
            lines = driver.stdout or iter(())
            started = (line for line in lines if "started successfully on port" in line)
            line = next(started, "")
            if not line:
                raise BrowserError(f"chromedriver did not start: exit status {driver.wait()}")
            port = line.rstrip(".\n").rpartition(" ")[2]
            browser = Browser(f"http://127.0.0.1:{port}", profile)
            try:
                yield browser
            finally:
                browser.close()
        finally:
            driver.terminate()
