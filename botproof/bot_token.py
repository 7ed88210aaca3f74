"""What a bot's token looks like, for everything that takes one or has to hide one.

Source: `ClientManager::send` in ClientManager.cpp of the open-source Bot API server takes up to 80
characters with a colon and without a slash, of which those before the colon are a number below
2**54 that begins with no 0. What follows the colon only Telegram's own servers judge: the tokens in
its documents have 34 and 35 characters there, of the alphabet of base64url.
"""

from __future__ import annotations

import re

LIKE = "digits, a colon, and 24 to 70 of A-Z a-z 0-9 _ -"
TOKEN = re.compile(r"[1-9][0-9]{0,16}:[A-Za-z0-9_-]{24,70}")
IN_TEXT = re.compile(rf"(?<!\d)(?<!sha){TOKEN.pattern}")
"""Finds a token within a longer text; the digest of a file (``sha256:...``) is none."""


def is_token(text: str) -> bool:
    """Tell whether the whole of a text looks like a bot's token."""
    return TOKEN.fullmatch(text) is not None
