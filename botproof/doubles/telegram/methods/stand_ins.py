"""What the double answers without holding it, named one by one: docs/telegram-double.md shows this.

With `strict_unknowns` such a call fails with 501 and the method's name, so that no test passes on
what was made up. The table in the documentation is written from here; a test compares them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from botproof.doubles.telegram.context import Turn
from botproof.doubles.telegram.replies import Refusal
from botproof.doubles.telegram.spec import MethodSpec

StandIn = tuple[tuple[str, ...], str]

STAND_INS: Mapping[str, StandIn] = {
    "url": (
        ("sendPhoto", "sendDocument", "sendVideo", "…"),
        (
            "a file by a URL outside of this machine and its networks is not fetched: its content "
            "is the URL itself"
        ),
    ),
    "game": (
        ("sendGame",),
        (
            "any well-formed short name is a game (BotFather's register is not here): its title "
            "and description are that name, it has no picture"
        ),
    ),
    "set": (
        ("getStickerSet", "setChatStickerSet"),
        (
            "the sets `pusheen`, `Animals`, `HotCherry` and `UtyaDuck` hold stand-ins for their "
            "stickers; other sets of other people are there when a test has put them there"
        ),
    ),
    "emoji": (
        ("getCustomEmojiStickers",),
        "every number is a custom emoji: one that is in no set of the bot is shown as ⭐",
    ),
    "icons": (
        ("getForumTopicIconStickers",),
        "the emoji are Telegram's, their numbers and pictures are not",
    ),
    "shop": (
        ("getAvailableGifts", "sendGift"),
        (
            "the shop has eleven gifts with their real numbers and prices, without their "
            "pictures; none can be upgraded"
        ),
    ),
    "html": (
        ("sendRichMessage", "sendRichMessageDraft", "editEphemeralMessageText"),
        (
            "HTML and Markdown of rich messages become paragraphs; headings, lists and tables "
            "that are written in them stay text (blocks are kept as they are given)"
        ),
    ),
}


def made_up(turn: Turn, what: str) -> None:
    """Fail in strict mode; `what` is a key of STAND_INS. Raises Refusal (501)."""
    if turn.core.settings.strict_unknowns:
        raise Refusal(501, f"Not Implemented: {turn.method}: {STAND_INS[what][1]}")


def refuse_unknown(turn: Turn) -> None:
    """Fail in strict mode for a method whose behaviour is not kept at all. Raises Refusal (501)."""
    if turn.core.settings.strict_unknowns:
        raise Refusal(501, f"Not Implemented: {turn.method}: its behaviour is not kept")


def table(kept: Collection[str], specified: Mapping[str, MethodSpec]) -> str:
    """Return the part of docs/telegram-double.md that says what is made up, in Markdown.

    `kept` are the methods whose behaviour is kept, `specified` those of the specification, both in
    lower case.
    """
    missing = sorted(method.name for name, method in specified.items() if name not in kept)
    count = f"{len(specified) - len(missing)} of {len(specified)}"
    lines = [f"The behaviour of {count} methods is kept. Made up is only this:", ""]
    lines += ["| methods | what is made up |", "|---|---|"]
    for names, what in STAND_INS.values():
        listed = ", ".join(name if name == "…" else f"`{name}`" for name in names)
        lines.append(f"| {listed} | {what} |")
    for name in missing:
        lines.append(f"| `{name}` | everything: an example that is true to the schema |")
    return "\n".join(lines)
