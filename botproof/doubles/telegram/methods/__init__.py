"""The methods whose behaviour the double keeps, by their names in lower case.

Every other method of the specification is in `rest`, and named so in docs/telegram-double.md.
"""

from __future__ import annotations

from collections.abc import Mapping

from botproof.doubles.telegram.context import Method
from botproof.doubles.telegram.methods import (
    business,
    chats,
    checklists,
    edits,
    ephemeral,
    games,
    getting_updates,
    gifts,
    invites,
    locations,
    media,
    members,
    messages,
    payments,
    people_of,
    polls,
    profile,
    queries,
    rich,
    stickers,
    topics,
    web_apps,
)

METHODS: Mapping[str, Method] = {
    **getting_updates.METHODS,
    **messages.METHODS,
    **media.METHODS,
    **locations.METHODS,
    **edits.METHODS,
    **polls.METHODS,
    **games.METHODS,
    **rich.METHODS,
    **checklists.METHODS,
    **ephemeral.METHODS,
    **payments.METHODS,
    **queries.METHODS,
    **web_apps.METHODS,
    **profile.METHODS,
    **people_of.METHODS,
    **chats.METHODS,
    **members.METHODS,
    **invites.METHODS,
    **topics.METHODS,
    **stickers.METHODS,
    **business.METHODS,
    **gifts.METHODS,
}

_BUSINESS_ITSELF = frozenset({*business.METHODS, *gifts.METHODS, "createinvoicelink"})
IN_CONNECTION = frozenset(METHODS) - _BUSINESS_ITSELF
"""Methods that work in the chats of a business account when a call names its connection."""
