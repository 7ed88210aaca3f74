"""How long this process kept its own calls waiting.

A call that gets no answer in time says nothing of its venue when the answer could not have been
read: the thread worked on something else, or waited for a processor.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

_SCHEDULED: Final = Path("/proc/thread-self/schedstat")
"""Linux: ns on a processor, ns of waiting for one, how often."""


def held_up() -> float:
    """Return for how many seconds so far this thread worked, or waited for a processor.

    Where the system does not tell the waiting, only the work.
    """
    return time.thread_time() + _waited()


def _waited() -> float:
    try:
        return int(_SCHEDULED.read_text().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0
