"""Log lines of one kind have a limit a minute: what repeats must not fill the disk or the loop.

A kind is a logger, a level and the text before its values are put in, or the type of an error.
What was left out is counted, and said with the first line of that kind that goes out again.
"""

import logging
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

LINES: Final = 60
SECONDS: Final = 60.0
_KINDS: Final = 512
_VALUES: Final = re.compile(r"\d+|0x[0-9a-f]+|'[^']*'")

Kind = tuple[str, int, str, str]


class LinesPerKind(logging.Filter):
    """Lets ``lines`` of a kind through in ``seconds``; for a handler."""

    def __init__(
        self,
        lines: int = LINES,
        seconds: float = SECONDS,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._lines = lines
        self._seconds = seconds
        self._clock = clock
        self._seen: OrderedDict[Kind, list[float]] = OrderedDict()  # began, lines, left out

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the record goes out."""
        kind = _kind(record)
        now = self._clock()
        seen = self._seen.get(kind)
        if seen is None or now - seen[0] >= self._seconds:
            left_out = int(seen[2]) if seen is not None else 0
            self._seen[kind] = [now, 1, 0]
            self._seen.move_to_end(kind)
            if len(self._seen) > _KINDS:
                self._seen.popitem(last=False)
            if left_out:
                _say(record, f" (and {left_out} more lines like this were left out before it)")
            return True
        seen[1] += 1
        if seen[1] > self._lines:
            seen[2] += 1
            return False
        if seen[1] == self._lines:
            _say(record, f" (more lines like this are left out for {self._seconds:.0f} s)")
        return True


def _kind(record: logging.LogRecord) -> Kind:
    error = record.exc_info[0] if record.exc_info else None
    text = _VALUES.sub("", str(record.msg)[:200])
    return record.name, record.levelno, text, error.__name__ if error else ""


def _say(record: logging.LogRecord, words: str) -> None:
    record.msg = record.getMessage() + words
    record.args = None
