"""A terminal that goes away in the middle of a roll-out: `ssh` that breaks off, a pipe that ends.

Ctrl-C also ends `tee` in `botproof deploy | tee log`. Nobody hears then what is said; what was
begun has to be undone all the same.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import TextIO


class _Lasting(io.TextIOBase):
    """Passes on what is said, line by line, for as long as somebody reads it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Return the length of the text, whether it was heard or not."""
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            with contextlib.suppress(OSError):  # what waits in the stream goes where nobody looks
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
        return len(text)


@contextlib.contextmanager
def lasting() -> Iterator[None]:
    """Take SIGTERM and a lost terminal as Ctrl-C, and let nothing end because nobody listens.

    Under `nohup` the loss of the terminal ends nothing.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _lost)
    with contextlib.redirect_stdout(_Lasting(sys.stdout)):
        yield


def _lost(_number: int, _frame: FrameType | None) -> None:
    # Once: the kernel and the shell both tell it, and the second one must not stop the undoing.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    raise KeyboardInterrupt
