"""The number types of venue payloads, and the decoding of answers that come in an envelope.

Bounds keep out what no market has: NaN and infinity fail every comparison.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Generic, TypeVar

import msgspec
from msgspec import Meta

__all__ = ["Amount", "Enveloped", "Millis", "Price", "Rate", "Seconds", "Share"]

Price = Annotated[float, Meta(gt=0, lt=1e12)]
Amount = Annotated[float, Meta(ge=0, lt=1e18)]
Rate = Annotated[float, Meta(gt=-1, lt=1)]
Share = Annotated[float, Meta(gt=0, lt=1)]
Millis = Annotated[int, Meta(gt=1_000_000_000_000, lt=10_000_000_000_000)]
Seconds = Annotated[int, Meta(gt=1_000_000_000, lt=10_000_000_000)]

E = TypeVar("E")
T = TypeVar("T")


class Enveloped(Generic[E, T]):
    """Decodes an envelope, lets the venue's own code be checked, then decodes what it holds.

    ``open_`` returns the raw content of an envelope, or raises `ToldError` with what the venue
    says.
    """

    def __init__(
        self,
        envelope: msgspec.json.Decoder[E],
        open_: Callable[[E], msgspec.Raw],
        content: msgspec.json.Decoder[T],
    ) -> None:
        self._envelope = envelope
        self._open = open_
        self._content = content

    def decode(self, body: bytes) -> tuple[E, T]:
        """Return the envelope and its content."""
        envelope = self._envelope.decode(body)
        return envelope, self._content.decode(self._open(envelope))
