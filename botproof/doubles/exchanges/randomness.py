"""Chance without state: the same key and time give the same number in every process."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


def key(*parts: object) -> int:
    """Return a number of 64 bits for these parts, the same in every process."""
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=8)
    return int.from_bytes(digest.digest(), "big")


def mix(key: int, index: int) -> int:
    """Splitmix64: neighbouring indexes give unrelated numbers."""
    z = (key + index * _GOLDEN) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


def _noise(key: int, time: int, period: int) -> float:
    """Smooth noise in -1…1 that turns about once a ``period``."""
    index, rest = divmod(time, period)
    f = rest / period
    f = f * f * (3 - 2 * f)
    left = mix(key, index) / 2**63 - 1
    right = mix(key, index + 1) / 2**63 - 1
    return left + (right - left) * f


def octaves(key: int, time: int, waves: Iterable[tuple[int, float]]) -> float:
    """Return the sum of smooth noise of several periods, each with its size."""
    return sum(size * _noise(key + n, time, period) for n, (period, size) in enumerate(waves))
