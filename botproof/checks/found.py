"""A finding of a check, with the event of the record that shows it: there its page opens."""

from __future__ import annotations

from typing import NamedTuple

from botproof.history import Event


class Found(NamedTuple):
    """What is wrong, in the words of the check, and the event by which it is known."""

    event: Event
    text: str
