"""What a message is a reply to: ``/price`` in answer to somebody who named a coin asks about it."""

import re
from collections.abc import Iterator
from typing import Final

from telegram import Message

from reference_bot.spelling import readable
from reference_bot.telegram_bot.commands.words import OFTEN_ASKED

_NAMED: Final = re.compile(
    r"[$#](?P<tag>[a-z][a-z0-9]{1,9})\b"
    r"|\b(?P<pair>[A-Z0-9]{2,10}[/-]?(?:USDT|USDC|USD)(?:\.P)?)\b"
    rf"|\b(?P<often>{'|'.join(sorted(OFTEN_ASKED))})\b",
    re.ASCII,
)
"""Coins in what people write to each other: ``$sol``, ``BTC/USDT``, ``ETH``."""


def symbols_replied_to(message: Message, most: int) -> tuple[str, ...]:
    """Return the first ``most`` symbols in the quoted part of a message, else in all of it."""
    replied = message.reply_to_message
    quoted = message.quote.text if message.quote is not None else ""
    whole = (replied.text or replied.caption or "") if replied is not None else ""
    return tuple(dict.fromkeys(_symbols_in(quoted or whole)))[:most]


def _symbols_in(text: str) -> Iterator[str]:
    for found in _NAMED.finditer(readable(text)):
        yield found["tag"] or found["pair"] or found["often"]
