"""The methods whose behaviour the double keeps, by their names in lower case.

Every other method of the specification is answered with an example that is true to its schema.
"""

from __future__ import annotations

from collections.abc import Mapping

from botproof.doubles.telegram.context import Method
from botproof.doubles.telegram.methods import (
    chats,
    edits,
    getting_updates,
    media,
    messages,
    polls,
    profile,
    queries,
    topics,
)

__all__ = ["METHODS"]

METHODS: Mapping[str, Method] = {
    **getting_updates.METHODS,
    **messages.METHODS,
    **media.METHODS,
    **edits.METHODS,
    **polls.METHODS,
    **queries.METHODS,
    **profile.METHODS,
    **chats.METHODS,
    **topics.METHODS,
}
