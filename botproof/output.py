"""What a command says on standard output, for as long as somebody takes it.

A pipe that ends (`botproof gate | head`), a terminal that was closed and a log on a full disk are
no reason to stop half-way, and say nothing about a bot: the verdict is in the papers and in the
exit code.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO


class _Lasting(io.TextIOBase):
    """Passes on what is said, line by line, for as long as somebody takes it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]  # as a stream of text has it
        """The stream's own: rich draws its tables by it."""
        return self._stream.encoding

    def fileno(self) -> int:
        """Return the stream's own."""
        return self._stream.fileno()

    def isatty(self) -> bool:
        """Tell whether a person reads it."""
        return self._stream.isatty()

    def write(self, text: str) -> int:
        """Return the length of the text, whether it was taken or not."""
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            with contextlib.suppress(OSError):  # what waits in the stream goes where nobody looks
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
        return len(text)


@contextlib.contextmanager
def lasting_output() -> Iterator[None]:
    """Let nothing end because nobody takes what is said."""
    with contextlib.ExitStack() as resources:
        # None: this process was started with a closed standard output.
        stream: TextIO | None = sys.stdout
        if stream is None:
            stream = resources.enter_context(Path(os.devnull).open("w", encoding="utf-8"))
        resources.enter_context(contextlib.redirect_stdout(_Lasting(stream)))
        yield
