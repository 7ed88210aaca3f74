"""Trouble in what a process writes to its log: exceptions, and what an event loop complains of.

Pure: lines go in, pieces of trouble come out. Known are the words of Python, Node.js, Go, Java and
Ruby, and lines that a logger marks as errors. Colours are taken out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence

from botproof.excerpts import middle_left_out, one_line

MOST_LINES = 60
"""Lines of one piece of trouble; the middle of a longer one is left out."""

_GIST = 300
_MESSAGES = ("event", "message", "msg")
_TRACES = ("exception", "exc_info", "stack", "err", "error")
"""As structlog, pino, python-json-logger and zap name them in a line of JSON."""
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_TRACEBACK = "Traceback (most recent call last)"
_CHAINED = re.compile(r"(During handling of the above|The above exception was)")
_STACK_BEGINS = re.compile(
    r"^(?:panic: |fatal error: |Exception in thread |Unhandled exception|Uncaught |"
    r"(?:[\w.$]+(?:Error|Exception|Failure))(?::|$))"
)
_STACK_LINE = re.compile(
    r"^\s+(?:at |from |\S+\.go:\d+|\.\.\. \d+ more)|^goroutine \d+|^Caused by: "
)
_SINGLE = re.compile(
    r"never awaited|never retrieved|event loop is closed|attached to a different loop|"
    r"no (?:current|running) event loop|Task was destroyed|Unclosed client session|"
    r"Syntax error: Unterminated quoted string|unexpected EOF while looking for matching|"
    r"\bcaused error\b|"  # as the documentation of python-telegram-bot has it, at WARNING
    r"UnhandledPromiseRejection|unhandled (?:exception|rejection)|"
    r"\"?level\"?\s*[=:]\s*\"?(?:error|critical|fatal)\b",
    re.IGNORECASE,
)
_OF_UPDATE = re.compile(r"(\bUpdate \"?).*?(\"? caused error\b)")
"""The whole update stands between, which is a screen of its own."""
_OF_ASYNCIO = re.compile(r"^(?:future|task): <")
"""What asyncio writes below the line that a task failed, before the traceback."""
# As a logger writes its level; "uvicorn.error" is the name of a logger that tells good news, too.
_LEVEL = re.compile(r"(?<![\w.])(?:ERROR|CRITICAL|FATAL|SEVERE)(?![\w.])")
_NO_TROUBLE = re.compile(r"\b(?:0|no) errors?\b|\berrors?\s*[=:]\s*0\b", re.IGNORECASE)


def plain(text: str) -> str:
    """Return text without terminal colours and control characters other than tab and line feed."""
    return _CONTROL.sub("", _ESCAPES.sub("", text))


def gist(lines: Sequence[str]) -> str:
    """Return what a piece of trouble says, in one line: the line that names the exception; of a
    line of JSON the message, and that line of its traceback."""
    last = lines[-1] if lines else ""
    try:
        fields = json.loads(last)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        return one_line(_naming(lines), _GIST)
    said = next((fields[name] for name in _MESSAGES if isinstance(fields.get(name), str)), "")
    trace = next((fields[name] for name in _TRACES if isinstance(fields.get(name), str)), "")
    parts = (said.strip(), _naming(trace.strip().splitlines()))
    return one_line(": ".join(filter(None, parts)) or last, _GIST)


def _naming(lines: Sequence[str]) -> str:
    """Return the line that names an exception: the last, or the first where places follow it."""
    last = lines[-1] if lines else ""
    return lines[0] if _STACK_LINE.match(last) else last


class TroubleReader:
    """Finds trouble in the lines of one log, given in order and in any portions."""

    def __init__(self) -> None:
        self._open: list[str] = []
        self._traceback = False

    def feed(self, lines: Iterable[str]) -> Iterator[tuple[str, ...]]:
        """Take in the next lines; the pieces of trouble that have ended with them."""
        for raw in lines:
            line = plain(raw).rstrip()
            if self._open and self._is_part(line):
                self._open.append(line)
                self._traceback = True
                continue
            if self._open and self._goes_on(line):
                self._open.append(line)
                continue
            if self._traceback and self._open and line:
                self._open.append(line)  # the line that names the exception ends a traceback
                self._traceback = False
                continue
            if self._open and not line:
                continue  # between chained exceptions there are empty lines
            yield from self._begin(line)

    def close(self) -> Iterator[tuple[str, ...]]:
        """Yield what is still open: nothing more of it has come."""
        if self._open:
            yield _shortened(self._open)
        self._open, self._traceback = [], False

    def _begin(self, line: str) -> Iterator[tuple[str, ...]]:
        yield from self.close()
        begins = line.startswith(_TRACEBACK)
        if begins or _STACK_BEGINS.match(line) or _is_single(line):
            self._open, self._traceback = [line], begins

    def _is_part(self, line: str) -> bool:
        """Tell whether a traceback goes on with this line: one that is chained to it, or the first
        one, which belongs to what was logged just before. Any other one is a piece of its own."""
        if _CHAINED.match(line):
            return True
        if not line.startswith(_TRACEBACK):
            return False
        before = next((each for each in reversed(self._open) if each), "")
        is_first = not any(each.startswith(_TRACEBACK) for each in self._open)
        return is_first or bool(_CHAINED.match(before))

    def _goes_on(self, line: str) -> bool:
        if self._traceback:
            return line.startswith((" ", "\t")) or not line
        return bool(_STACK_LINE.match(line) or _OF_ASYNCIO.match(line))


def _is_single(line: str) -> bool:
    found = _TRACEBACK in line or _SINGLE.search(line) or _LEVEL.search(line)
    return bool(found) and not _NO_TROUBLE.search(line)


def _shortened(lines: list[str]) -> tuple[str, ...]:
    while lines and not lines[-1]:
        lines.pop()
    half = MOST_LINES // 2
    return middle_left_out(lines, MOST_LINES, head=half, end=half)


def headline(lines: Iterable[str]) -> str:
    """Return the line that says most of a piece of trouble: what was raised, where that is told."""
    listed = [_OF_UPDATE.sub(r"\1…\2", line) for line in lines if line.strip()]
    named = [line for line in listed if _STACK_BEGINS.match(line)]
    if named:
        return named[-1]
    return listed[-1] if any(line.startswith(_TRACEBACK) for line in listed) else listed[0]
