"""A terminal that goes away in the middle of a roll-out: `ssh` that breaks off, a pipe that ends.

Ctrl-C also ends `tee` in `botproof deploy | tee log`. Nobody hears then what is said; what was
begun has to be undone all the same.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

from botproof.output import lasting_output


@contextlib.contextmanager
def lasting() -> Iterator[None]:
    """Take SIGTERM and a lost terminal as Ctrl-C, and let nothing end because nobody listens.

    Under `nohup` the loss of the terminal ends nothing.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _lost)
    with lasting_output():
        yield


def _lost(_number: int, _frame: FrameType | None) -> None:
    # Once: the kernel and the shell both tell it, and the second one must not stop the undoing.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    raise KeyboardInterrupt
