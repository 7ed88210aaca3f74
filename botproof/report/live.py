"""`botproof watch-run`: the page of a run that goes on, served to this machine alone.

The record grows line by line on disk; this reads what is new and hands the page all of it. It never
talks to the run, and runs at a low priority: who watches must not change what is measured.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import os
import threading
import time
import webbrowser
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import msgspec

from botproof.checks.judging import JudgingSettings
from botproof.history import DECODER, Event, History, Run
from botproof.problems import UsageError
from botproof.report import page as parts
from botproof.report.html import document, judging_of, walk
from botproof.report.record import as_record
from botproof.report.show import judged

_RECORD: Final = "/record"
_HEAD: Final = '<header><h1 class="verdict">A run, while it goes on</h1></header>'
_RECORD_NAME: Final = "history.jsonl"
_WHAT_TO_RUN: Final = (
    "start it in another terminal, in the directory of botproof.toml: botproof gate "
    "(a run that reports elsewhere: botproof watch-run DIR)"
)
_LOOK_S: Final = 0.5
_NICE: Final = 10
_SHARE: Final = 5
"""Making the record takes at most one part in five of a processor's time."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `botproof watch-run`."""
    parser.add_argument(
        "run_dir",
        nargs="?",
        metavar="DIR",
        type=Path,
        default=Path("reports/gate"),
        help="the report directory of the run, or its history.jsonl (reports/gate)",
    )
    parser.add_argument("--port", type=int, default=0, help="(any that is free)")
    parser.add_argument("--open", action="store_true", help="open it in the browser")


def run(arguments: argparse.Namespace) -> int:
    """Serve until Ctrl-C. Raises UsageError where no record can come to lie."""
    path = _record_in(arguments.run_dir)
    with contextlib.suppress(OSError):
        os.nice(_NICE)
    try:
        server = Server(Follower(path), arguments.port)
    except OSError as error:
        raise UsageError(f"--port {arguments.port}: {error.strerror}") from error
    print(f"{server.url} shows {path}; Ctrl-C ends it", flush=True)
    if arguments.open:
        webbrowser.open(server.url)
    ended = threading.Event()
    teller = threading.Thread(target=_tell, args=(path, ended), daemon=True)
    with server, contextlib.suppress(KeyboardInterrupt):
        teller.start()
        server.serve_forever()
    ended.set()
    return 0


def _record_in(given: Path) -> Path:
    """Return the record that a directory, or the name of the record itself, stands for."""
    if given.suffix == ".jsonl":
        return given
    if given.exists() and not given.is_dir():
        raise UsageError(
            f"{given}: is no record of a run; give the directory that a run writes its report to "
            "(reports/gate), or the history.jsonl in it"
        )
    return given / _RECORD_NAME


def _tell(path: Path, ended: threading.Event) -> None:
    """Say on the terminal what is waited for, and when it has come."""
    if path.exists():
        return
    folder = "is not there yet" if path.parent.is_dir() else "is not there, nor is its directory"
    print(f"waiting for a run: {path.absolute()} {folder}\n{_WHAT_TO_RUN}", flush=True)
    while not ended.wait(_LOOK_S):
        if path.exists():
            print("the run has begun", flush=True)
            return


class Follower:
    """Reads a record while it is written. Safe to be asked by several threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._events: list[Event] = []
        self._at = 0
        self._made = b""
        self._tag = ""
        self._not_before = 0.0

    def record(self) -> tuple[str, bytes]:
        """Return a word that changes with the record, and the record: JSON, gzip. Both
        are empty while there is none."""
        with self._lock:
            began, worked = time.monotonic(), time.thread_time()
            if self._made and began < self._not_before:
                return self._tag, self._made
            self._read()
            tag = f'"{len(self._events)}-{self._at}-{int(self._over)}"'
            if self._events and tag != self._tag:
                made = msgspec.json.encode({**self._as_record(), "over": self._over})
                self._made, self._tag = gzip.compress(made, 1), tag
                self._not_before = began + _SHARE * (time.thread_time() - worked)
            return self._tag, self._made

    @property
    def _over(self) -> bool:
        """A run ends with its verdict, written after the last line of the record."""
        try:
            verdict = (self._path.parent / "verdict.json").stat().st_mtime_ns
            return verdict >= self._path.stat().st_mtime_ns
        except OSError:
            return False

    def _read(self) -> None:
        try:
            with self._path.open("rb") as file:
                if file.seek(0, 2) < self._at:  # another run has begun
                    self._events, self._at = [], 0
                file.seek(self._at)
                fresh = file.read()
        except OSError:
            return
        whole = fresh[: fresh.rfind(b"\n") + 1]  # the last line may not be all there
        self._at += len(whole)
        for line in whole.splitlines():
            with contextlib.suppress(msgspec.MsgspecError):
                self._events.append(DECODER.decode(line))

    def _as_record(self) -> parts.Json:
        history = History(self._events)
        about = history.run or Run(t=0.0)
        results = judged(history) if self._over else []
        judging = judging_of(about, JudgingSettings.recorded_in(about).budgets)
        logs = self._path.parent / "logs"
        return as_record(history, results, judging, logs, over=self._over)


class Server(ThreadingHTTPServer):
    """The page and its record on 127.0.0.1."""

    daemon_threads = True

    def __init__(self, follower: Follower, port: int) -> None:
        self.follower = follower
        super().__init__(("127.0.0.1", port), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/"
        # A name of somebody else's that leads here must not open the record (DNS rebinding).
        self.hosts = {f"{name}:{self.server_port}" for name in ("127.0.0.1", "localhost")}


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        """Answer with the page, or its record."""
        if self.headers.get("Host", "") not in self.server.hosts:
            self._answer(HTTPStatus.MISDIRECTED_REQUEST, b"ask for 127.0.0.1\n", "text/plain")
        elif self.path == "/":
            body = document("botproof: a run", _HEAD + walk(None), live=_RECORD).encode()
            self._answer(HTTPStatus.OK, body, "text/html; charset=utf-8")
        elif self.path == _RECORD:
            self._record()
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"there is no such page\n", "text/plain")

    def _record(self) -> None:
        tag, body = self.server.follower.record()
        if not body:
            self._answer(HTTPStatus.NO_CONTENT, b"", "application/json")
        elif self.headers.get("If-None-Match") == tag:
            self._answer(HTTPStatus.NOT_MODIFIED, b"", "application/json", ETag=tag)
        else:
            about = {"ETag": tag, "Content-Encoding": "gzip"}
            self._answer(HTTPStatus.OK, body, "application/json", **about)

    def _answer(self, status: HTTPStatus, body: bytes, kind: str, **headers: str) -> None:
        self.send_response(status)
        given = {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Cache-Control": "no-cache",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        for name, value in (given | headers).items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: the page asks every second."""
