"""The number types of venue payloads.

Bounds keep out what no market has: NaN and infinity fail every comparison.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

__all__ = ["Amount", "Millis", "Price", "Rate", "Seconds"]

Price = Annotated[float, Meta(gt=0, lt=1e12)]
Amount = Annotated[float, Meta(ge=0, lt=1e18)]
Rate = Annotated[float, Meta(gt=-1, lt=1)]
Millis = Annotated[int, Meta(gt=1_000_000_000_000, lt=10_000_000_000_000)]
Seconds = Annotated[int, Meta(gt=1_000_000_000, lt=10_000_000_000)]
