"""What a request carries as an API key or another secret, known by a fingerprint alone."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Final

_NAME = re.compile(r"key|sign|secret|token|pass|auth", re.IGNORECASE)
_LETTERS = 16
KEY_HEADERS: Final[Mapping[str, str]] = {
    "x-mbx-apikey": "binance",
    "x-bapi-api-key": "bybit",
    "ok-access-key": "okx",
    "key": "gate",
    "access-key": "bitget",
}
"""In which header each exchange takes a key, as its document of the REST API says."""


def is_credential(name: str) -> bool:
    """Tell whether a header or parameter of this name holds a key, a signature or a secret."""
    return _NAME.search(name) is not None


def carried(headers: Mapping[str, str], query: Mapping[str, str]) -> dict[str, str]:
    """Return the fingerprints of what a request carries under names of credentials, by name."""
    return {
        name: fingerprint(value)
        for given in (headers, query)
        for name, value in given.items()
        if value and is_credential(name)
    }


def fingerprint(value: str) -> str:
    """Return what tells one value from another, and from which it cannot be told."""
    return hashlib.sha256(value.encode()).hexdigest()[:_LETTERS]
