"""Whose key reaches which exchange: a key that is one exchange's is no other's business."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from botproof.checks.found import Found
from botproof.counting import several
from botproof.credentials import KEY_HEADERS
from botproof.history import KeySent

_WORDS = re.compile(r"[^a-z0-9]+")
_VENUES = frozenset({*KEY_HEADERS.values(), "hyperliquid", "yahoo"})


def astray(sent: Sequence[KeySent]) -> Iterator[Found]:
    """Yield the keys that came to another exchange than their own.

    Whose a key is, its setting's name says; else the header in which that exchange takes keys. One
    that says nothing is of the exchange that got it first.
    """
    first: dict[tuple[str, ...], str] = {}
    for one in sent:
        owners = _owners(one)
        if not owners and one.settings:
            owners = {first.setdefault(one.settings, one.venue)}
        if owners and one.venue not in owners:
            key = " and ".join(one.settings) or "a key"
            yield Found(
                one,
                f"{one.stack}: {key}, which is for {' and '.join(sorted(owners))}, was sent to "
                f"{one.venue} as {one.name} ({several(one.calls, 'call')}): a key that others have "
                "read is to be changed",
            )


def _owners(one: KeySent) -> set[str]:
    named = {
        venue
        for setting in one.settings
        for word in _WORDS.split(setting.lower())
        for venue in _VENUES
        if word in (venue, f"{venue}io")
    }
    of_header = KEY_HEADERS.get(one.name)
    return named or ({of_header} if of_header else set())
