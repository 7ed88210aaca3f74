"""The number types of venue payloads.

Bounds keep out what no market has: NaN and infinity fail every comparison.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

Price = Annotated[float, Meta(gt=0, lt=1e12)]
Amount = Annotated[float, Meta(ge=0, lt=1e18)]
Rate = Annotated[float, Meta(gt=-1, lt=1)]
Millis = Annotated[int, Meta(gt=1_000_000_000_000, lt=10_000_000_000_000)]
Seconds = Annotated[int, Meta(gt=1_000_000_000, lt=10_000_000_000)]
Moment = Annotated[int, Meta(gt=1_000_000_000, lt=10_000_000_000_000)]
"""In milliseconds, or in seconds: which of them `in_millis` tells."""


def in_millis(moment: int) -> int:
    """Return a moment in epoch ms that is told in these or in seconds.

    >>> in_millis(1789458000), in_millis(1789458300000)
    (1789458000000, 1789458300000)
    """
    return moment * 1000 if moment < 10_000_000_000 else moment
